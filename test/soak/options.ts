/**
 * What a soak is to do, from the command line. Pure. A value that makes no sense ends the program: a soak of nothing
 * finds nothing.
 */
import { parseArgs } from 'node:util'
import { readCount } from '../support/read-count.ts'
import { CYCLES_MIN } from './leak-rules.ts'

/** The phases of a cycle, in their order. */
export const PHASES = ['standing', 'passing', 'failover'] as const
export type Phase = (typeof PHASES)[number]

/** What the test of the soak itself has the proxy leak. */
export const PLANTED_LEAKS = ['heap', 'sockets', 'timers', 'files'] as const
export type PlantedLeak = (typeof PLANTED_LEAKS)[number]

export interface SoakOptions {
  /** Sessions that are open and do nothing. */
  readonly idle: number
  /** Sessions that ask, `queries` a second together. */
  readonly busy: number
  readonly queries: number
  /** New sessions a second. */
  readonly rate: number
  /** New sessions of the phase `passing`, of all cycles together. */
  readonly sessions: number
  /** One new session in so many goes to the real server. */
  readonly realEvery: number
  readonly cycles: number
  /** How long everybody stays once all are there, in the phase `standing`. */
  readonly holdSeconds: number
  /** How long to look again at what is too much at rest, before it counts. */
  readonly patienceSeconds: number
  readonly workers: number
  readonly servers: 'real' | 'fake'
  readonly phases: readonly Phase[]
  /** `src` by Node's own stripping of types, or what `npm run build` has made. */
  readonly program: 'dist' | 'src'
  readonly leaks: readonly PlantedLeak[]
  readonly writesDocs: boolean
  /** Where the rows go as CSV; `null`: nowhere. */
  readonly csvFile: string | null
  /** Where the whole run goes as JSON, for `--from`; `null`: nowhere. */
  readonly saveFile: string | null
}

/** Passing sessions that may be open at the same time, in a failover. */
const PASSING_MAX = 500
const SPARE_FILES = 400

/** The whole thing: an hour's worth of 500 new sessions a second. */
const FULL = { idle: 10_000, busy: 2_000, queries: 2_000, rate: 500, minutes: 60, cycles: 3, hold: 30 }
/** To show that nothing has begun to leak, in about a minute. */
const QUICK = { idle: 1_000, busy: 200, queries: 1_000, rate: 300, seconds: 9, cycles: 3, hold: 1 }

/** Reads the arguments. Throws an error that names the option. */
export function readOptions(args: readonly string[]): SoakOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      idle: { type: 'string' },
      busy: { type: 'string' },
      queries: { type: 'string' },
      rate: { type: 'string' },
      minutes: { type: 'string' },
      sessions: { type: 'string' },
      'real-every': { type: 'string', default: '10' },
      cycles: { type: 'string' },
      hold: { type: 'string' },
      // A cancel request may take 10 s.
      patience: { type: 'string', default: '12' },
      workers: { type: 'string', default: '1' },
      servers: { type: 'string', default: 'real' },
      phases: { type: 'string', default: PHASES.join() },
      program: { type: 'string', default: 'dist' },
      leak: { type: 'string', default: '' },
      csv: { type: 'string' },
      save: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
    },
  })
  const usual = values.quick ? QUICK : FULL
  const count = (name: 'idle' | 'busy' | 'queries' | 'rate' | 'cycles' | 'hold', min: number): number =>
    values[name] === undefined ? usual[name] : readCount(name, values[name], min)
  const rate = count('rate', 1)
  const cycles = count('cycles', 1)
  if (cycles < CYCLES_MIN) throw new Error(`--cycles: ${cycles} are too few to compare, it takes ${CYCLES_MIN}`)
  return {
    idle: count('idle', 1),
    busy: count('busy', 0),
    queries: count('queries', 1),
    rate,
    sessions: sessionCount(values, rate),
    realEvery: readCount('real-every', values['real-every']),
    cycles,
    holdSeconds: count('hold', 0),
    patienceSeconds: readCount('patience', values.patience, 0),
    workers: readCount('workers', values.workers),
    servers: oneOf('servers', values.servers, ['real', 'fake'] as const),
    phases: values.phases.split(',').map((name) => oneOf('phases', name, PHASES)),
    program: oneOf('program', values.program, ['dist', 'src'] as const),
    leaks: values.leak === '' ? [] : values.leak.split(',').map((name) => oneOf('leak', name, PLANTED_LEAKS)),
    writesDocs: values['write-docs'],
    csvFile: values.csv ?? null,
    saveFile: values.save ?? null,
  }
}

/** Open files that each process of the proxy needs: two for a session, and something for whatever else it has open. */
export function filesNeeded({ idle, busy, rate, workers }: SoakOptions): number {
  const passing = Math.min(PASSING_MAX, rate)
  return Math.ceil((2 * (idle + busy + passing)) / workers) + SPARE_FILES
}

function sessionCount(values: { quick: boolean; minutes?: string; sessions?: string }, rate: number): number {
  if (values.sessions !== undefined) return readCount('sessions', values.sessions)
  if (values.minutes !== undefined) return rate * 60 * readCount('minutes', values.minutes)
  // Given another rate, the whole thing takes less time and is still the whole thing.
  return values.quick ? rate * QUICK.seconds : FULL.rate * 60 * FULL.minutes
}

function oneOf<const T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((each) => each === text)
  if (found === undefined) throw new Error(`--${option}: ${JSON.stringify(text)} is none of ${known.join(', ')}`)
  return found
}
