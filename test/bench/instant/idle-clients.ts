/** Many sessions that do nothing, and now and then all of them one query each. Benchmark support. */
import { connect, type Socket } from 'node:net'
import type { Target } from '../contenders/contender.ts'
import { BIG_QUERY, query, startup } from './wire.ts'

/** At a time, when all of them connect or ask. */
const PARALLEL = 50
const READY_BYTES = 6
const READY_TYPE = 0x5a

interface Client {
  readonly socket: Socket
  /** Resolves the question under way, when ReadyForQuery has come. */
  finish: (() => void) | null
  fail: ((error: Error) => void) | null
  /** The beginning of what came last, for an error. */
  last: string
}

export class IdleClients {
  readonly #clients: Client[] = []

  /** Logs in `count` sessions. Rejects when one of them is closed meanwhile. */
  async open(
    target: Target,
    count: number,
    login: { readonly user: string; readonly database: string },
  ): Promise<void> {
    const hello = startup(login)
    await inParallel(Array.from({ length: count }), async () => {
      const socket = connect({ ...target, noDelay: true })
      const client: Client = { socket, finish: null, fail: null, last: 'nothing was said' }
      const number = this.#clients.push(client)
      socket.on('data', (chunk: Buffer) => {
        const start = chunk.length - READY_BYTES
        client.last = chunk.toString('latin1', 0, 200).replaceAll(/[^ -~]+/g, ' ')
        // All answers end with it, and it is too short to be cut: nobody sends it in two pieces.
        if (start >= 0 && chunk[start] === READY_TYPE && chunk.readUInt32BE(start + 1) === READY_BYTES - 1) {
          client.finish?.()
        }
      })
      socket.on('error', (error) => client.fail?.(error))
      socket.on('close', () => client.fail?.(new Error(`session ${number} was closed: ${client.last}`)))
      await ask(client, hello)
    })
  }

  get count(): number {
    return this.#clients.length
  }

  /** Each session once gets so many bytes. */
  async moveEach(byteCount: number): Promise<void> {
    const request = query(`${BIG_QUERY}${byteCount}`)
    await inParallel(this.#clients, async (client) => await ask(client, request))
  }

  close(): void {
    for (const client of this.#clients.splice(0)) {
      client.fail = null
      client.socket.destroy()
    }
  }
}

async function ask(client: Client, request: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.finish = resolve
    client.fail = reject
    client.socket.write(request)
  })
  client.finish = null
  client.fail = null
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  const runners = Array.from({ length: PARALLEL }, async () => {
    for (const item of left) await work(item)
  })
  await Promise.all(runners)
}
