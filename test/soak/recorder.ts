/**
 * Writes down once a second what the proxy takes and does: from outside by /proc, from inside by /metrics and by the
 * probe, and what the clients see. Test support. The rows are what is drawn, and end up as CSV.
 */
import type { InsideView } from './inside.ts'
import type { MetricsPage } from './metrics-page.ts'
import type { ProcessSample } from './process-sample.ts'

/** One second. `null`: could not be had at that moment. */
export interface SoakRow {
  readonly seconds: number
  readonly cycle: number
  readonly phase: string
  readonly rssMiB: number
  readonly pssMiB: number
  readonly heapMiB: number | null
  readonly externalMiB: number | null
  readonly files: number
  readonly socketsOpen: number | null
  readonly threads: number
  /** Those that keep the process running; all of them are counted at rest. */
  readonly timers: number | null
  readonly otherResources: number | null
  /** Of one core. */
  readonly cpuPercent: number
  readonly loopP50Ms: number | null
  readonly loopP99Ms: number | null
  readonly loopMaxMs: number | null
  readonly sessions: number | null
  readonly held: number | null
  readonly acceptedPerSecond: number | null
  readonly endedTotal: number | null
  /** What one scrape of /metrics took, seen from outside. */
  readonly scrapeMs: number | null
}

/** What one look gives. */
export interface Look {
  readonly sample: ProcessSample
  readonly inside: InsideView | null
  readonly page: MetricsPage | null
  readonly scrapeMs: number | null
}

const MIB = 1024 * 1024
const DIGITS = 3

export class Recorder {
  readonly rows: SoakRow[] = []
  readonly #look: () => Promise<Look>
  readonly #startedAt = performance.now()
  #cycle = 0
  #phase = 'start'
  #before: { readonly at: number; readonly cpuSeconds: number; readonly accepted: number | null } | null = null
  #timer: NodeJS.Timeout | null = null
  #running: Promise<void> = Promise.resolve()

  /** `look` must not reject. */
  constructor(look: () => Promise<Look>) {
    this.#look = look
  }

  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1000
  }

  /** What the rows from now on belong to. */
  mark(cycle: number, phase: string): void {
    this.#cycle = cycle
    this.#phase = phase
  }

  /** Goes on after a `stop` where it was. */
  start(): void {
    this.#before = null
    // A look that takes longer than a second delays the next one: the looks must not become the load.
    const next = (): void => {
      this.#running = this.#record().finally(() => {
        if (this.#timer !== null) this.#timer = setTimeout(next, 1000 - ((performance.now() - this.#startedAt) % 1000))
      })
    }
    this.#timer = setTimeout(next, 0)
  }

  /** Resolves when the last look is over. While the proxy rests nobody but the rest looks at it. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    await this.#running
  }

  async #record(): Promise<void> {
    const { sample, inside, page, scrapeMs } = await this.#look()
    const at = this.seconds
    const accepted = page?.get('pgha_sessions_accepted_total') ?? null
    const before = this.#before
    this.#before = { at, cpuSeconds: sample.cpuSeconds, accepted }
    if (before === null) return
    const took = at - before.at
    const loop = (name: string): number | null => milliseconds(page?.get(`nodejs_eventloop_lag_${name}_seconds`))
    const resource = (kind: string): number | null => (inside === null ? null : (inside.resources[kind] ?? 0))
    const resources = inside === null ? null : Object.values(inside.resources).reduce((sum, count) => sum + count, 0)
    const [socketsOpen, timers] = [resource('TCPSocketWrap'), resource('Timeout')]
    this.rows.push({
      seconds: at,
      cycle: this.#cycle,
      phase: this.#phase,
      rssMiB: sample.rssBytes / MIB,
      pssMiB: sample.pssBytes / MIB,
      heapMiB: inside === null ? null : inside.heapBytes / MIB,
      externalMiB: inside === null ? null : inside.externalBytes / MIB,
      files: sample.files,
      socketsOpen,
      threads: sample.threads,
      timers,
      otherResources: resources === null ? null : resources - (socketsOpen ?? 0) - (timers ?? 0),
      cpuPercent: (100 * (sample.cpuSeconds - before.cpuSeconds)) / took,
      loopP50Ms: loop('p50'),
      loopP99Ms: loop('p99'),
      loopMaxMs: loop('max'),
      sessions: page?.get('pgha_sessions') ?? null,
      held: page?.get('pgha_sessions_held') ?? null,
      acceptedPerSecond: accepted === null || before.accepted === null ? null : (accepted - before.accepted) / took,
      endedTotal: page?.get('pgha_sessions_ended_total') ?? null,
      scrapeMs,
    })
  }
}

/** With a line of names. Empty where nothing was measured. */
export function csvOf(rows: readonly SoakRow[]): string {
  const [first] = rows
  if (first === undefined) return ''
  const names = Object.keys(first) as (keyof SoakRow)[]
  const lines = rows.map((row) => names.map((name) => field(row[name])).join(','))
  return `${[names.join(','), ...lines].join('\n')}\n`
}

function milliseconds(seconds: number | undefined): number | null {
  return seconds === undefined || Number.isNaN(seconds) ? null : seconds * 1000
}

function field(value: number | string | null): string {
  if (value === null) return ''
  return typeof value === 'number' ? String(Number(value.toFixed(DIGITS))) : value
}
