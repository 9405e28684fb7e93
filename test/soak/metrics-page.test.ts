import { expect, it } from 'vitest'
import { parseMetrics } from './metrics-page.ts'

it('reads values with and without labels, and adds up the series of one name', () => {
  const page = parseMetrics(
    [
      '# HELP pgha_sessions Sessions.',
      '# TYPE pgha_sessions gauge',
      'pgha_sessions{listener="127.0.0.1:5432",node="node1"} 4',
      'pgha_sessions{listener="127.0.0.1:5432",node=""} 1',
      'nodejs_eventloop_lag_p99_seconds 1.05e-2',
      '',
    ].join('\n'),
  )
  expect(page.get('pgha_sessions')).toBe(5)
  expect(page.get('pgha_sessions{listener="127.0.0.1:5432",node=""}')).toBe(1)
  expect(page.get('nodejs_eventloop_lag_p99_seconds')).toBe(0.0105)
  expect(page.get('pgha_sessions_held')).toBeUndefined()
})
