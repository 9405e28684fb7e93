/**
 * Makes the program that it is loaded into slower, to show that the guard sees it: every write to a connection, by
 * whatever way of Node, spends PGHA_BENCH_SLOW_US microseconds more on the processor. Loaded with `--import` by
 * `npm run bench:guard -- --slow US`. It leans on the inside of Node, and ends the program where that has changed.
 */
import { Socket } from 'node:net'
import process from 'node:process'

const slowMs = Number(process.env['PGHA_BENCH_SLOW_US']) / 1_000
const WRITES = ['writeBuffer', 'writev', 'writeLatin1String', 'writeUtf8String']

type Write = (this: unknown, ...args: unknown[]) => unknown

// It has its handle at once, and is destroyed before it connects.
const socket = new Socket().on('error', () => {}).connect({ host: '127.0.0.1', port: 9 })
let found = (socket as unknown as { readonly _handle: Record<string, unknown> | null })._handle
while (found !== null && !Object.hasOwn(found, 'writeBuffer')) {
  found = Object.getPrototypeOf(found) as Record<string, unknown> | null
}
socket.destroy()
if (found === null) throw new Error('this Node keeps its writes elsewhere: nothing can be made slower')
for (const name of WRITES) {
  const original = found[name] as Write
  const slow: Write = function (...args) {
    const until = performance.now() + slowMs
    while (performance.now() < until);
    return original.apply(this, args)
  }
  found[name] = slow
}
