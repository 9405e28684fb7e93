/**
 * Loaded into a proxy that is to leak, so that the soak can be seen to notice: PGHA_SOAK_LEAK names what it keeps of each
 * client. Test support, for soak.system.test.ts.
 */
import { subscribe } from 'node:diagnostics_channel'
import { openSync } from 'node:fs'
import process from 'node:process'

const leaks = (process.env['PGHA_SOAK_LEAK'] ?? '').split(',')
const kept: unknown[] = []
/** Of every so many clients a descriptor, or a socket: one is enough. */
const RARELY = 50
let clients = 0

subscribe('net.server.socket', (message) => {
  clients += 1
  if (leaks.includes('heap')) kept.push({ notes: Array.from({ length: 300 }, (_, index) => index + 0.5) })
  if (leaks.includes('timers')) setInterval(() => {}, 3_600_000).unref()
  if (clients % RARELY > 0) return
  if (leaks.includes('sockets')) kept.push((message as { socket: unknown }).socket)
  if (leaks.includes('files')) kept.push(openSync('/dev/null', 'r'))
})
