/**
 * History on disk: a folder with one file for each process, one event a line. Test support. What was written is there
 * when its process is killed the moment after; reading is bounded, and a line that is no event is told, not thrown.
 */
import {
  closeSync,
  createReadStream,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { formatLsn, parseLsn } from '../../src/topology/lsn.ts'
import { HISTORY_EVENT, type History, type HistoryEvent } from './history.ts'
import type { FinalState } from './tables.ts'

/** Ten minutes write some 30 MB. */
const BYTES_MAX = 1024 * 1024 * 1024
/** The longest are lines of a proxy's log. */
const LINE_LENGTH_MAX = 256 * 1024
const MALFORMED_MAX = 100

/** The clock of the history: one for all processes of the machine, namespaces included. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Appends to `<folder>/<name>.jsonl`. Several processes may share a file: each event is one write. */
export class HistoryWriter {
  #file: number | null

  constructor(folder: string, name: string) {
    this.#file = openSync(join(folder, `${name}.jsonl`), 'a', 0o600)
  }

  /** Synchronous, so that an order of events in one process is their order in the file. Nothing after `close`. */
  write(event: HistoryEvent): void {
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(event)}\n`)
  }

  /** May be called again. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
  }
}

/** Reads every `.jsonl` of the folder. Rejects when they are larger than 1 GiB together. */
export async function readHistory(folder: string): Promise<History> {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
  const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  if (bytes > BYTES_MAX) throw new Error(`${folder} has ${bytes} bytes of history, more than ${BYTES_MAX}`)
  const events: HistoryEvent[] = []
  const malformed: string[] = []
  for (const name of files) {
    let number = 0
    let torn: string | null = null
    for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
      if (torn !== null && malformed.length < MALFORMED_MAX) malformed.push(torn)
      torn = null
      number += 1
      const event = parseLine(line)
      if (typeof event === 'string') torn = `${name}:${number}: ${event}`
      else if (event !== null) events.push(event)
    }
    if (torn !== null && endsWithNewline(join(folder, name)) && malformed.length < MALFORMED_MAX) malformed.push(torn)
  }
  return { events: events.sort((a, b) => a.at - b.at), malformed }
}

/** The event; `null` for an empty line; a sentence when it is neither. */
export function parseLine(line: string): HistoryEvent | string | null {
  if (line === '') return null
  if (line.length > LINE_LENGTH_MAX) return `a line of ${line.length} characters`
  try {
    const { success, data, error } = HISTORY_EVENT.safeParse(JSON.parse(line))
    if (success) return data
    const [issue] = error.issues
    return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no event'}`
  } catch (error) {
    return (error as Error).message
  }
}

function endsWithNewline(path: string): boolean {
  const { size } = statSync(path)
  if (size === 0) return true
  const file = openSync(path, 'r')
  try {
    const last = Buffer.alloc(1)
    readSync(file, last, 0, 1, size - 1)
    return last[0] === 0x0a
  } finally {
    closeSync(file)
  }
}

const FINAL = 'final.json'

/** Puts what the last primary had beside the history, so that it can be checked again. */
export function writeFinalState(folder: string, { forks, ...state }: FinalState): void {
  const written = forks.map(({ timelineId, endLsn }) => ({ timelineId, endLsn: formatLsn(endLsn) }))
  writeFileSync(join(folder, FINAL), JSON.stringify({ ...state, forks: written }))
}

/** `null` when there is none: the run broke off before. */
export function loadFinalState(folder: string): FinalState | null {
  const path = join(folder, FINAL)
  if (!existsSync(path)) return null
  type Written = Omit<FinalState, 'forks'> & {
    readonly forks: readonly { readonly timelineId: number; readonly endLsn: string }[]
  }
  const { forks, ...state } = JSON.parse(readFileSync(path, 'utf8')) as Written
  const read = forks.flatMap(({ timelineId, endLsn: text }) => {
    const endLsn = parseLsn(text)
    return endLsn === null ? [] : [{ timelineId, endLsn }]
  })
  return { ...state, forks: read }
}
