/**
 * Probers that answer when the test says so. Test support.
 */
import type { NodeIdentity, Prober } from '../../src/ports.ts'
import type { FailureClass, NodeAnswer, Observation } from '../../src/topology/observation.ts'
import { answerOf } from '../topology/scenario.ts'

export class FakeProber implements Prober {
  /** Of each probe, whether it was asked over a fresh connection. */
  readonly asked: boolean[] = []
  isClosed = false
  readonly #now: () => number
  readonly #members: readonly NodeIdentity[]
  readonly #node: NodeIdentity
  #says: string | null
  #waiting: { readonly sentAt: number; readonly resolve: (observation: Observation) => void } | null = null
  /** Changes answers before they are given. */
  amend: (answer: NodeAnswer) => NodeAnswer = (answer) => answer

  /** `says`: in the notation of topology/scenario.ts, or `null` to keep the asker waiting. */
  constructor(options: {
    readonly node: NodeIdentity
    readonly members: readonly NodeIdentity[]
    readonly now: () => number
    readonly says: string | null
  }) {
    this.#node = options.node
    this.#members = options.members
    this.#now = options.now
    this.#says = options.says
  }

  get isAsked(): boolean {
    return this.#waiting !== null
  }

  readonly probe = async ({ fresh }: { readonly fresh: boolean }): Promise<Observation> => {
    if (this.#waiting !== null) throw new Error('two probes at a time')
    if (this.isClosed) throw new Error('probed after it was closed')
    this.asked.push(fresh)
    const sentAt = this.#now()
    if (this.#says !== null) return this.#observe(this.#says, sentAt)
    return await new Promise((resolve) => {
      this.#waiting = { sentAt, resolve }
    })
  }

  readonly close = async (): Promise<void> => {
    this.isClosed = true
  }

  /** From now on it says this, also to who is waiting; `null`: it keeps the next asker waiting. */
  say(says: string | null): void {
    this.#says = says
    const waiting = this.#waiting
    if (says === null || waiting === null) return
    this.#waiting = null
    waiting.resolve(this.#observe(says, waiting.sentAt))
  }

  #observe(says: string, sentAt: number): Observation {
    const failure = FAILURES[says]
    const receivedAt = this.#now()
    if (failure !== undefined) return { kind: 'failed', sentAt, receivedAt, failure, detail: `it says ${says}` }
    return { kind: 'answered', sentAt, receivedAt, answer: this.amend(answerOf(says, this.#node, this.#members)) }
  }
}

const FAILURES: Readonly<Record<string, FailureClass>> = { R: 'refused', T: 'timeout', B: 'starting-up' }
