/**
 * What has reached one proxy, kept by the simulation itself and read by rules of its own: the production's evidence and
 * standings are what is under test. Test support. A process that is started anew knows nothing but what was on its disk.
 */
import type { PersistentState } from '../../src/ports.ts'
import type { FailureClass, NodeAnswer, Observation } from '../../src/topology/observation.ts'

interface NodeFacts {
  answer: NodeAnswer | null
  sentAt: number
  receivedAt: number
  /** `null` when the latest question was answered. */
  failure: FailureClass | null
  /** Of this failure, in a row. */
  failureCount: number
  failureFirstSentAt: number
  failureLastSentAt: number
  /** All failures since the last answer were of this class. */
  isPure: boolean
  deliveredAt: number
}

/** An unsanctioned claim above the epoch. */
interface SeenClaim {
  readonly timelineId: number
  /** When the first one ever came. */
  readonly firstAt: number
  /** Since when it has come without a break. */
  since: number
  outlived: boolean
}

/** Alive, but it does not let us look. */
const UNOBSERVABLE: ReadonlySet<FailureClass> = new Set(['too-many-connections', 'auth', 'permission'])

/** Two refusals closer together may be one restart seen twice. */
const REFUSAL_GAP_MS = 100

export class Facts {
  readonly #nodes = new Map<string, NodeFacts>()
  readonly #claims = new Map<string, SeenClaim>()
  readonly failuresToCount: number
  /** What this process has been told is on its disk. */
  known: PersistentState
  /** Start time of the epoch's server while it has been primary without a break since it served alone. */
  unbroken: string | null = null
  /** When there was last no primary. */
  primaryLostAt = Number.NEGATIVE_INFINITY
  /** When a dial to the node last failed. */
  readonly doubtedAt = new Map<string, number>()

  constructor(known: PersistentState, failuresToCount: number) {
    this.known = known
    this.failuresToCount = failuresToCount
  }

  take(node: string, observation: Observation): void {
    const before = this.#nodes.get(node)
    const { sentAt, receivedAt } = observation
    if (observation.kind === 'answered') {
      this.#nodes.set(node, {
        answer: observation.answer,
        sentAt,
        receivedAt,
        failure: null,
        failureCount: 0,
        failureFirstSentAt: 0,
        failureLastSentAt: 0,
        isPure: true,
        deliveredAt: receivedAt,
      })
    } else {
      const { failure } = observation
      const continues = before?.failure === failure
      this.#nodes.set(node, {
        answer: before?.answer ?? null,
        sentAt: before?.sentAt ?? Number.NEGATIVE_INFINITY,
        receivedAt: before?.receivedAt ?? Number.NEGATIVE_INFINITY,
        failure,
        failureCount: continues ? before.failureCount + 1 : 1,
        failureFirstSentAt: continues ? before.failureFirstSentAt : sentAt,
        failureLastSentAt: sentAt,
        isPure: before === undefined || before.failure === null || (continues && before.isPure),
        deliveredAt: receivedAt,
      })
    }
    if (node === this.known.epoch?.node && !this.#isAliveAsPrimary(node)) this.unbroken = null
  }

  forget(node: string): void {
    this.#nodes.delete(node)
  }

  isObserved(node: string): boolean {
    return this.#nodes.has(node)
  }

  deliveredAt(node: string): number | null {
    return this.#nodes.get(node)?.deliveredAt ?? null
  }

  /** Its last answer while nothing has taken its place: a few timeouts do not. */
  standing(node: string): { readonly answer: NodeAnswer; readonly sentAt: number } | null {
    const facts = this.#nodes.get(node)
    if (facts?.answer == null) return null
    const isDoubt = facts.failure === 'timeout' && facts.isPure && facts.failureCount < this.failuresToCount
    return facts.failure === null || isDoubt ? { answer: facts.answer, sentAt: facts.sentAt } : null
  }

  /** When it last answered out of recovery, for the question of a grace. */
  lastAnswered(node: string): { readonly answer: NodeAnswer; readonly receivedAt: number } | null {
    const facts = this.#nodes.get(node)
    return facts?.answer == null ? null : { answer: facts.answer, receivedAt: facts.receivedAt }
  }

  failure(node: string): FailureClass | null {
    return this.#nodes.get(node)?.failure ?? null
  }

  /** Alive, but not observable: when that was last asked. */
  unobservableSince(node: string): number | null {
    const facts = this.#nodes.get(node)
    if (facts?.answer == null || facts.failure === null || !UNOBSERVABLE.has(facts.failure)) return null
    return facts.failureLastSentAt
  }

  isRefusalProven(node: string): boolean {
    const facts = this.#nodes.get(node)
    if (facts?.failure !== 'refused' || facts.failureCount < 2) return false
    return facts.failureLastSentAt - facts.failureFirstSentAt >= REFUSAL_GAP_MS
  }

  /** Its own row says primary and active. */
  isConfirmed(node: string, answer: NodeAnswer): boolean {
    if (answer.repmgr.kind !== 'rows') return false
    return answer.repmgr.rows.some((row) => row.nodeName === node && row.type === 'primary' && row.active)
  }

  /** Nodes that say now that they are primaries of the epoch's cluster, or of any without an epoch. */
  claims(members: readonly string[]): { readonly node: string; readonly answer: NodeAnswer }[] {
    return members.flatMap((node) => {
      const answer = this.standing(node)?.answer
      if (answer === undefined || answer.inRecovery || this.known.fenced.includes(node)) return []
      const isWitness = answer.repmgr.kind === 'rows' && isWitnessRow(answer.repmgr.rows, node)
      const isForeign = this.known.epoch !== null && answer.systemIdentifier !== this.known.epoch.systemIdentifier
      return isWitness || isForeign ? [] : [{ node, answer }]
    })
  }

  /** Why sessions that write may not stay on it, as far as this proxy can know; `null` when nothing is proven. */
  proofAgainst(node: string, endsWhenRefused: boolean): string | null {
    const { epoch, fenced } = this.known
    if (fenced.includes(node)) return 'is fenced'
    if (epoch !== null && epoch.node !== node) return `is not the accepted primary, which is ${epoch.node}`
    if (endsWhenRefused && this.isRefusalProven(node)) return 'has refused twice'
    const answer = this.standing(node)?.answer
    if (answer === undefined) return null
    if (answer.repmgr.kind === 'rows' && isWitnessRow(answer.repmgr.rows, node)) return 'is a witness'
    if (epoch !== null && answer.systemIdentifier !== epoch.systemIdentifier) return 'is of another cluster'
    if (answer.inRecovery) return 'is in recovery'
    if (epoch !== null && (answer.timelineId ?? 0) < epoch.timelineId) return 'is on an older timeline'
    return null
  }

  /** After each decision: which unsanctioned claims are how old, and whether the epoch's node has outlived them. */
  noteClaims(members: readonly string[], now: number, graceMs: number): void {
    const { epoch } = this.known
    if (epoch === null) return this.#claims.clear()
    const claims = this.claims(members)
    const lives = this.#isAliveAsPrimary(epoch.node) && this.standing(epoch.node) !== null
    for (const node of members) {
      const claim = claims.find((each) => each.node === node)
      const timelineId = claim?.answer.timelineId ?? 0
      if (claim === undefined || timelineId <= epoch.timelineId || node === epoch.node) {
        const seen = this.#claims.get(node)
        const isOutOfSight = this.standing(node) === null
        if (seen !== undefined && !(seen.outlived && isOutOfSight)) {
          if (isOutOfSight) seen.since = Number.NaN
          else this.#claims.delete(node)
        }
        continue
      }
      const known = this.#claims.get(node)
      const seen = known?.timelineId === timelineId ? known : { timelineId, firstAt: now, since: now, outlived: false }
      if (Number.isNaN(seen.since)) seen.since = now
      // By an answer to a question that was asked when the grace was over.
      const livesUntil = lives ? (this.standing(epoch.node)?.sentAt ?? 0) : 0
      if (!this.isConfirmed(node, claim.answer) && livesUntil - seen.since >= graceMs) seen.outlived = true
      this.#claims.set(node, seen)
    }
  }

  claimOf(node: string): Readonly<SeenClaim> | null {
    return this.#claims.get(node) ?? null
  }

  /**
   * The epoch has changed. How old a claim is stays true; who has outlived it does not. After an operator's word even its
   * age begins anew.
   */
  forgetClaims(isOrdered: boolean): void {
    this.unbroken = null
    if (isOrdered) return this.#claims.clear()
    for (const seen of this.#claims.values()) {
      seen.outlived = false
      seen.since = Number.NaN
    }
  }

  #isAliveAsPrimary(node: string): boolean {
    const { epoch } = this.known
    const standing = this.standing(node)
    if (epoch === null) return false
    if (standing === null) return this.unobservableSince(node) !== null
    const { answer } = standing
    if (answer.inRecovery || answer.systemIdentifier !== epoch.systemIdentifier) return false
    if (this.unbroken !== null && answer.postmasterStartedAt !== this.unbroken) return false
    return (answer.timelineId ?? 0) >= epoch.timelineId && !this.known.fenced.includes(node)
  }
}

function isWitnessRow(rows: readonly { readonly nodeName: string; readonly type: string }[], node: string): boolean {
  return rows.some((row) => row.nodeName === node && row.type === 'witness')
}
