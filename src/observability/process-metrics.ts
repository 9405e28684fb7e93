/**
 * What prom-client knows of any Node.js process, under its usual names, without what would stop the process at each
 * scrape. Effect layer.
 */
import { readdir } from 'node:fs/promises'
import process from 'node:process'
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client'

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

/** From now on until the process ends: Node has no end for what watches the event loop. Call once for each registry. */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of COSTLY) registry.removeSingleMetric(name)
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
