/**
 * Ends the process when one input never comes to an end, and says which: a loop without end blocks the thread that could
 * say so, so a second thread looks on. Test support. The input lies in memory that both threads see.
 */
import { writeSync } from 'node:fs'
import process from 'node:process'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { writeFailure } from './corpus.ts'

/** How long one input may take before it counts as endless. */
const STALL_MS = 20_000
const LOOK_EVERY_MS = 1_000

const INPUT_BYTES_MAX = 1_048_576
const HEADER_WORDS = 2

interface Shared {
  readonly target: string
  readonly memory: SharedArrayBuffer
}

export class Watchdog {
  readonly #memory = new SharedArrayBuffer(HEADER_WORDS * 4 + INPUT_BYTES_MAX)
  readonly #header = new Int32Array(this.#memory, 0, HEADER_WORDS)
  readonly #input = new Uint8Array(this.#memory, HEADER_WORDS * 4)
  readonly #worker: Worker

  /** `target`: the name under which a stalled input is kept. */
  constructor(target: string) {
    const shared: Shared = { target, memory: this.#memory }
    this.#worker = new Worker(new URL(import.meta.url), { workerData: shared })
    this.#worker.unref()
  }

  /** The next input is about to be run. */
  note(input: Buffer): void {
    this.#input.set(input.subarray(0, INPUT_BYTES_MAX))
    this.#header[1] = input.length
    Atomics.add(this.#header, 0, 1)
  }

  async close(): Promise<void> {
    await this.#worker.terminate()
  }
}

function lookOn({ target, memory }: Shared): void {
  const header = new Int32Array(memory, 0, HEADER_WORDS)
  let seen = -1
  let stalledMs = 0
  setInterval(() => {
    const turn = Atomics.load(header, 0)
    stalledMs = turn === seen ? stalledMs + LOOK_EVERY_MS : 0
    seen = turn
    if (turn === 0 || stalledMs < STALL_MS) return
    const input = Buffer.from(new Uint8Array(memory, HEADER_WORDS * 4, header[1] ?? 0).slice())
    const file = writeFailure(target, input)
    writeSync(2, `${target}: an input did not end within ${STALL_MS} ms\n  node test/fuzz/main.ts --replay ${file}\n`)
    process.kill(process.pid, 'SIGKILL')
  }, LOOK_EVERY_MS)
}

if (!isMainThread && workerData !== null && typeof workerData === 'object' && 'memory' in workerData) {
  lookOn(workerData as Shared)
}
