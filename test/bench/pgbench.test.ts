import { expect, it } from 'vitest'
import { parseProgress } from './pgbench.ts'

it('a progress line of pgbench is read', () => {
  expect(parseProgress('progress: 2.0 s, 21093.9 tps, lat 0.378 ms stddev 0.120, 0 failed')).toEqual({
    atSeconds: 2,
    tps: 21093.9,
    latencyMs: 0.378,
    failed: 0,
  })
  expect(parseProgress('progress: 1.0 s, 0.0 tps, lat NaN ms stddev NaN, 3 failed')).toMatchObject({
    tps: 0,
    failed: 3,
  })
})

it('a progress line of pgbench -R is read', () => {
  const line = 'progress: 1.0 s, 998.0 tps, lat 0.5 ms stddev 0.1, 0 failed, lag 0.07 ms'
  expect(parseProgress(line)).toMatchObject({ tps: 998, latencyMs: 0.5 })
})

it('any other line is none', () => {
  expect(parseProgress('pgbench: error: connection to server failed')).toBeNull()
})
