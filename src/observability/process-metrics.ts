/**
 * What prom-client knows of any Node.js process, under its usual names, without what would stop the process at each
 * scrape. Effect layer.
 */
import { readdir } from 'node:fs/promises'
import process from 'node:process'
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client'
import { EventLoopDelay, type EventLoopDelays } from './event-loop-delay.ts'

/**
 * Each walks through all open sockets, in our own thread: 8,000 sessions stood still for 40 ms at every scrape. What
 * they count, pgha_sessions counts better.
 */
const COSTLY = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'process_open_fds',
]

/** Of prom-client's, which looks at the event loop 100 times a second and cannot be told not to look at all. In milliseconds. */
const NEVER_MS = 2 ** 31 - 1

const DELAY_HELP: Readonly<Record<keyof EventLoopDelays, string>> = {
  min: 'The least that the event loop was late since the last scrape.',
  max: 'The most that the event loop was late since the last scrape.',
  mean: 'The mean of the delays of the event loop since the last scrape.',
  stddev: 'The standard deviation of the delays of the event loop since the last scrape.',
  p50: 'The 50th percentile of the delays of the event loop since the last scrape.',
  p90: 'The 90th percentile of the delays of the event loop since the last scrape.',
  p99: 'The 99th percentile of the delays of the event loop since the last scrape.',
}

/** From now on until the process ends: prom-client has no end for what it watches. Call once for each registry. */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS })
  for (const name of COSTLY) registry.removeSingleMetric(name)
  addEventLoopMetrics(registry)
  if (process.platform !== 'linux') return
  new Gauge({
    registers: [registry],
    name: 'process_open_fds',
    help: 'Number of open file descriptors.',
    // The same as the one that was taken out, but read in another thread.
    async collect() {
      this.set((await readdir('/proc/self/fd')).length)
    },
  })
}

/** In place of prom-client's, under the same names. */
function addEventLoopMetrics(registry: Registry): void {
  const delay = new EventLoopDelay()
  const gauges = new Map<keyof EventLoopDelays, Gauge>()
  // The one that is asked first sets all, so that they are of the same time.
  const collect = (): void => {
    const delays = delay.take()
    if (delays === null) return
    for (const [name, gauge] of gauges) gauge.set(delays[name])
  }
  for (const [name, help] of Object.entries(DELAY_HELP) as [keyof EventLoopDelays, string][]) {
    const metric = `nodejs_eventloop_lag_${name}_seconds`
    registry.removeSingleMetric(metric)
    const options = { registers: [registry], name: metric, help }
    gauges.set(name, new Gauge(gauges.size === 0 ? { ...options, collect } : options))
  }
}
