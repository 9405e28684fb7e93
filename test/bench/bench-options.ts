/** The command line of `npm run bench`. Pure. */
import { parseArgs } from 'node:util'

export interface BenchOptions {
  /** Names of workloads; all when it is empty. */
  readonly only: readonly string[]
  /** Of what has a target; the rest has fewer (see `fewerRounds`). */
  readonly rounds: number
  /** Measured in each run of pgbench, after one second that is not counted. */
  readonly seconds: number
  /** Everything once and small: shows that the scripts work, and no figure of it means anything. */
  readonly isQuick: boolean
  readonly writesDocs: boolean
  /** Failovers of each kind. */
  readonly count: number
}

const FULL = { rounds: 5, seconds: 2, count: 20 }
const QUICK = { rounds: 1, seconds: 1, count: 1 }

/** Throws with a sentence for the user. `known`: the names of all workloads. */
export function parseBenchOptions(args: readonly string[], known: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      count: { type: 'string' },
      quick: { type: 'boolean', default: false },
      'write-docs': { type: 'boolean', default: false },
    },
  })
  const only = values.only.flatMap((text) => text.split(','))
  const unknown = only.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`no workload ${unknown.join(', ')}; there are: ${known.join(', ')}`)
  if (values.quick && values['write-docs']) throw new Error('--quick measures nothing that belongs into the docs')
  const defaults = values.quick ? QUICK : FULL
  const whole = (name: 'rounds' | 'seconds' | 'count'): number => {
    const text = values[name]
    if (text === undefined) return defaults[name]
    if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`--${name} is a whole number above 0, not ${text}`)
    return Number(text)
  }
  return {
    only,
    rounds: whole('rounds'),
    seconds: whole('seconds'),
    count: whole('count'),
    isQuick: values.quick,
    writesDocs: values['write-docs'],
  }
}

/** For workloads without a target: three rounds where those with one have five. */
export function fewerRounds({ rounds }: BenchOptions): number {
  return Math.ceil(rounds * 0.6)
}
