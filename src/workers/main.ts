/**
 * The entry of a worker process. The main process starts it with two lines: its own for what is said (control-channel.ts),
 * and Node's, on which connections are passed. Composition layer.
 */
import { Socket } from 'node:net'
import process from 'node:process'
import type { PassedConnection } from './messages.ts'
import { Worker } from './worker.ts'
import { CONTROL_FD } from './worker-process.ts'

// They are the main process's to act on. A terminal, and a service manager at a stop, send them to all.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2']) process.on(signal, () => undefined)

const worker = new Worker(new Socket({ fd: CONTROL_FD, readable: true, writable: true }))
process.on('message', (passed: PassedConnection, socket: Socket | undefined) => worker.take(passed, socket))
await worker.run()
if (process.connected) process.disconnect()
