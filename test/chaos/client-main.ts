/**
 * A process of chaos clients: reads what to do from its standard input, one JSON text, and works until that is closed. It
 * says once a second, one JSON text a line, what was acknowledged. Test support; started by clients.ts on a host of the stage.
 */
import { setMaxListeners } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { ClientLoop } from './client-loop.ts'
import type { ClientSpec } from './client-plan.ts'
import { HistoryWriter, monotonicMs } from './history-file.ts'

/** What is read. */
export interface ClientOrder {
  readonly name: string
  readonly historyFolder: string
  readonly login: { readonly user: string; readonly password: string; readonly database: string }
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  readonly clients: readonly ClientSpec[]
}

/** What is said. */
export interface ClientProgress {
  /** By client: how many operations were answered, and when the last one was. */
  readonly acknowledged: Readonly<Record<string, { readonly count: number; readonly lastAt: number }>>
}

const PROGRESS_PACE_MS = 1_000

const stop = new AbortController()
setMaxListeners(0, stop.signal)
const input = createInterface({ input: process.stdin })
input.once('close', () => stop.abort())
input.once('line', (line) => void work(JSON.parse(line) as ClientOrder))

async function work({ name, historyFolder, login, nodes, clients }: ClientOrder): Promise<void> {
  const history = new HistoryWriter(historyFolder, name)
  const acknowledged = new Map(clients.map((spec) => [spec.name, { count: 0, lastAt: 0 }]))
  const onAcknowledged = (client: string): void => {
    const before = acknowledged.get(client)?.count ?? 0
    acknowledged.set(client, { count: before + 1, lastAt: monotonicMs() })
  }
  const tell = (): void => {
    process.stdout.write(`${JSON.stringify({ acknowledged: Object.fromEntries(acknowledged) })}\n`)
  }
  const timer = setInterval(tell, PROGRESS_PACE_MS)
  const shared = { login, nodes, history, stopped: stop.signal, random: Math.random, onAcknowledged }
  await Promise.all(clients.map((spec) => new ClientLoop({ ...shared, spec }).run()))
  clearInterval(timer)
  tell()
  history.close()
  input.close()
  process.stdin.destroy()
}
