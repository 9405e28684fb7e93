import perfHooks from 'node:perf_hooks'
import { Registry } from 'prom-client'
import { afterEach, expect, it, vi } from 'vitest'
import { addProcessMetrics } from '../../src/observability/process-metrics.ts'
import { waitFor } from '../support/condition.ts'
import { Exposition } from './exposition.ts'

const monitorEventLoopDelay = vi.spyOn(perfHooks, 'monitorEventLoopDelay')
const setInterval = vi.spyOn(globalThis, 'setInterval')

afterEach(() => {
  // Nobody else ends them: a process watches itself as long as it lives.
  for (const { value } of monitorEventLoopDelay.mock.results) (value as perfHooks.ELDHistogram).disable()
  for (const { value } of setInterval.mock.results) clearInterval(value as NodeJS.Timeout)
  monitorEventLoopDelay.mockClear()
  setInterval.mockClear()
})

/** Nobody else does anything in this process. */
function blockFor(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs)
}

it('does not wake an idle process 100 times a second', () => {
  addProcessMetrics(new Registry())
  const lookedAt = monitorEventLoopDelay.mock.calls.map(([options]) => options?.resolution ?? 10)
  const intervals = setInterval.mock.calls.map(([, intervalMs = 0]) => intervalMs)
  expect(lookedAt.length + intervals.length).toBeGreaterThan(0)
  expect([...lookedAt, ...intervals].filter((each) => each < 50)).toEqual([])
})

it('shows for how long the event loop stood still, also around a scrape, and that it does not', async () => {
  const registry = new Registry()
  addProcessMetrics(registry)
  const lag = async (name: string): Promise<number> =>
    new Exposition(await registry.metrics()).value(`nodejs_eventloop_lag_${name}_seconds`) ?? Number.NaN
  await waitFor('a look at the idle loop', async () => (await lag('max')) > 0)
  blockFor(200)
  // The next look was due within the first 50 ms of them.
  await waitFor('the delay', async () => (await lag('max')) > 0.14)
  await waitFor('an idle loop again', async () => (await lag('p99')) < 0.03)
})
