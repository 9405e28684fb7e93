/**
 * Asks the probe inside each process of the proxy (inside-probe.ts), and adds up what they say. Test support.
 */
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** What a process knows of itself. */
export interface InsideView {
  readonly heapBytes: number
  /** Of it what V8 has compiled: of the program, not of its sessions, and V8 throws it away and makes it anew as it likes. */
  readonly codeBytes: number
  /** Buffers and whatever else lies beside V8's heap. */
  readonly externalBytes: number
  /** Of it the buffers. */
  readonly bufferBytes: number
  /** What keeps the process running, by kind, as Node names it: `TCPSocketWrap`, `Timeout` (those not unref'd) … */
  readonly resources: Readonly<Record<string, number>>
  /** Objects in the heap after collections; only when it was told to settle. */
  readonly alive: { readonly timers: number; readonly sockets: number } | null
}

/** Environment that has the proxy load the probe, and further preloads. */
export function insideEnvironment(folder: string, preloads: readonly string[] = []): NodeJS.ProcessEnv {
  const files = ['./inside-probe.ts', ...preloads].map((file) => new URL(file, import.meta.url).href)
  return {
    NODE_OPTIONS: [
      '--expose-gc',
      '--disable-warning=ExperimentalWarning',
      ...files.map((file) => `--import=${file}`),
    ].join(' '),
    PGHA_SOAK_INSIDE: folder,
  }
}

interface Line {
  readonly socket: Socket
  /** Who waits for the next answers, in the order of the questions. */
  readonly waiting: ((view: InsideView | null) => void)[]
}

/** Connections to the probes are kept: opening one would change what is counted. */
export class Inside {
  readonly #folder: string
  readonly #lines = new Map<number, Line>()

  constructor(folder: string | URL) {
    this.#folder = typeof folder === 'string' ? folder : fileURLToPath(folder)
  }

  /** The sum over the processes that have a probe. With `settles` each collects its garbage before. */
  async look(pids: readonly number[], options: { readonly settles: boolean }): Promise<InsideView> {
    const views = await Promise.all(pids.map((pid) => this.#ask(pid, options.settles ? 'settle' : 'look')))
    return views.filter((view) => view !== null).reduce(sum)
  }

  close(): void {
    for (const { socket } of this.#lines.values()) socket.destroy()
    this.#lines.clear()
  }

  /** `null`: a process that is no proxy, or that has ended. */
  async #ask(pid: number, question: string): Promise<InsideView | null> {
    const line = await this.#line(pid)
    if (line === null) return null
    return await new Promise((resolve) => {
      line.waiting.push(resolve)
      line.socket.write(`${question}\n`)
    })
  }

  async #line(pid: number): Promise<Line | null> {
    const known = this.#lines.get(pid)
    if (known !== undefined) return known
    const path = join(this.#folder, `${pid}.sock`)
    if (!existsSync(path)) return null
    const socket = connect(path)
    await once(socket, 'connect')
    const line: Line = { socket, waiting: [] }
    this.#lines.set(pid, line)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#lines.delete(pid)
      for (const resolve of line.waiting.splice(0)) resolve(null)
    })
    const reader = createInterface({ input: socket })
    // It passes on what the socket says, and its end is seen there.
    reader.on('error', () => {})
    reader.on('line', (text) => line.waiting.shift()?.(JSON.parse(text) as InsideView))
    return line
  }
}

function sum(left: InsideView, right: InsideView): InsideView {
  return {
    heapBytes: left.heapBytes + right.heapBytes,
    codeBytes: left.codeBytes + right.codeBytes,
    externalBytes: left.externalBytes + right.externalBytes,
    bufferBytes: left.bufferBytes + right.bufferBytes,
    resources: sumOf(left.resources, right.resources),
    alive:
      left.alive === null || right.alive === null
        ? null
        : { timers: left.alive.timers + right.alive.timers, sockets: left.alive.sockets + right.alive.sockets },
  }
}

function sumOf(left: Readonly<Record<string, number>>, right: Readonly<Record<string, number>>) {
  const total: Record<string, number> = { ...left }
  for (const [key, value] of Object.entries(right)) total[key] = (total[key] ?? 0) + value
  return total
}
