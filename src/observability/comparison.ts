/**
 * Where another proxy leads, against what this one has decided, added up. Pure. A server is known by its start time, so
 * that addresses and networks between do not matter.
 */
import type { NodeAnswer, Observation } from '../topology/observation.ts'
import { LISTED_MAX, type Moment } from './observation-report.ts'

/** Where a new session of the other proxy ended up. */
export type ComparedPlace =
  /** On the node that this one has for the primary. */
  | { readonly kind: 'right' }
  /** On another. */
  | { readonly kind: 'wrong'; readonly where: string }
  /** On some node while this one has no primary. */
  | { readonly kind: 'undecided'; readonly where: string }
  /** Nowhere. */
  | { readonly kind: 'nowhere'; readonly where: string }

export interface ComparisonReport {
  readonly address: string
  readonly asked: number
  /** Milliseconds spent in each, from one question to the next. */
  readonly ms: Readonly<Record<ComparedPlace['kind'], number>>
  /** Runs of anything but `right`, the last 100. */
  readonly last: readonly {
    readonly since: string
    readonly forMs: number
    readonly kind: ComparedPlace['kind']
    readonly where: string
  }[]
}

/** `answers`: the last ones of the nodes, by name. */
export function comparePlace(
  observation: Observation,
  primary: string | null,
  answers: ReadonlyMap<string, NodeAnswer>,
): ComparedPlace {
  if (observation.kind === 'failed') return { kind: 'nowhere', where: observation.failure }
  const { answer } = observation
  const found = [...answers].find(
    ([, known]) =>
      known.postmasterStartedAt === answer.postmasterStartedAt && known.systemIdentifier === answer.systemIdentifier,
  )
  const role = answer.inRecovery ? 'in recovery' : `primary on timeline ${answer.timelineId ?? '?'}`
  const where = `${found?.[0] ?? 'an unknown server'} (${role})`
  if (primary === null) return { kind: 'undecided', where }
  return found?.[0] === primary ? { kind: 'right' } : { kind: 'wrong', where }
}

export class Comparison {
  readonly #address: string
  readonly #ms = { right: 0, wrong: 0, undecided: 0, nowhere: 0 }
  readonly #runs: { since: string; at: number; forMs: number; kind: ComparedPlace['kind']; where: string }[] = []
  #asked = 0
  #current: { readonly place: ComparedPlace; readonly at: number } | null = null

  constructor(address: string) {
    this.#address = address
  }

  take(place: ComparedPlace, moment: Moment): void {
    this.#asked += 1
    this.#close(moment.at)
    const before = this.#current?.place
    this.#current = { place, at: moment.at }
    if (place.kind === 'right') return
    const goesOn = before !== undefined && before.kind === place.kind && whereOf(before) === place.where
    if (goesOn) return
    const { kind, where } = place
    this.#runs.push({ since: moment.wallTime.toISOString(), at: moment.at, forMs: 0, kind, where })
    if (this.#runs.length > LISTED_MAX) this.#runs.shift()
  }

  read({ at }: Pick<Moment, 'at'>): ComparisonReport {
    this.#close(at)
    if (this.#current !== null) this.#current = { ...this.#current, at }
    const last = this.#runs.map(({ since, forMs, kind, where }) => ({ since, forMs, kind, where }))
    return { address: this.#address, asked: this.#asked, ms: { ...this.#ms }, last }
  }

  #close(at: number): void {
    if (this.#current === null) return
    const { place } = this.#current
    const spentMs = at - this.#current.at
    this.#ms[place.kind] += spentMs
    const run = this.#runs.at(-1)
    if (place.kind !== 'right' && run !== undefined) run.forMs += spentMs
  }
}

function whereOf(place: ComparedPlace): string | null {
  return place.kind === 'right' ? null : place.where
}
