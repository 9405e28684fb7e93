/**
 * Asks a simulated node as pg-prober asks a real one: keeps a session, renews it, tells apart what it tells apart. Test
 * support. A Prober of the production's port; the health loop cannot tell the difference.
 */
import type { Prober } from '../../src/ports.ts'
import type { FailureClass, Observation } from '../../src/topology/observation.ts'
import type { Random } from '../fuzz/random.ts'
import type { Way } from './sim-network.ts'
import type { Answer, SimNode } from './sim-node.ts'

const SESSION_RENEW_MS = 15_000

export interface ProberOptions {
  readonly node: SimNode
  readonly way: () => Way
  readonly random: Random
  readonly timeoutMs: number
  readonly now: () => number
  /** The world's clock: goes on while the proxy is frozen. */
  readonly inWorld: (delayMs: number, callback: () => void) => void
  /** The proxy's: what is due while it is frozen runs when it is thawed. */
  readonly inProxy: (delayMs: number, callback: () => void) => void
  /** It is with the proxy now. */
  readonly onDelivered: (node: SimNode, observation: Observation) => void
}

export class SimProber implements Prober {
  readonly #options: ProberOptions
  /** Start time of the server that it is logged in to. */
  #session: string | null = null
  #renewAt = 0
  #hungUp = false
  #isClosed = false

  constructor(options: ProberOptions) {
    this.#options = options
  }

  readonly probe = ({ fresh }: { readonly fresh: boolean }): Promise<Observation> => {
    const { now, random, way, timeoutMs, inProxy, inWorld } = this.#options
    const sentAt = now()
    return new Promise((resolve) => {
      const { lossPercent, delayMs, isOutCut } = way()
      const latencyMs = 0.4 + random.below(16) / 10 + (delayMs > 0 ? random.below(2 * delayMs) : 0)
      const isLost = isOutCut || (lossPercent > 0 && random.below(100) < lossPercent)
      if (isLost || latencyMs >= timeoutMs) {
        inProxy(timeoutMs, () => this.#finish({ kind: 'silence' }, sentAt, resolve))
        return
      }
      if (delayMs === 0) {
        // What it was a moment before it arrives cannot be told from what it is when it arrives.
        inProxy(latencyMs, () => {
          const answer = this.#hear(this.#ask(fresh))
          if (answer.kind !== 'silence') return this.#finish(answer, sentAt, resolve)
          inProxy(timeoutMs - latencyMs, () => this.#finish(answer, sentAt, resolve))
        })
        return
      }
      inWorld(latencyMs / 2, () => {
        const answer = this.#ask(fresh)
        inProxy(latencyMs / 2, () => {
          const heard = this.#hear(answer)
          if (heard.kind !== 'silence') return this.#finish(heard, sentAt, resolve)
          inProxy(timeoutMs - latencyMs, () => this.#finish(heard, sentAt, resolve))
        })
      })
    })
  }

  readonly close = async (): Promise<void> => {
    this.#isClosed = true
  }

  #hear(answer: Answer): Answer {
    return this.#options.way().isBackCut ? { kind: 'silence' } : answer
  }

  #finish(answer: Answer, sentAt: number, resolve: (observation: Observation) => void): void {
    const receivedAt = this.#options.now()
    const failed = (failure: FailureClass): Observation => ({
      kind: 'failed',
      sentAt,
      receivedAt,
      failure,
      detail: failure,
    })
    const observation: Observation =
      answer.kind === 'answer'
        ? { kind: 'answered', sentAt, receivedAt, answer: answer.answer }
        : failed(answer.kind === 'silence' ? 'timeout' : answer.failure)
    if (answer.kind === 'silence') this.#session = null
    if (!this.#isClosed) this.#options.onDelivered(this.#options.node, observation)
    resolve(observation)
  }

  #ask(fresh: boolean): Answer {
    const { node, way, now } = this.#options
    const { breaks } = way()
    if (breaks !== null) return this.#lose(breaks)
    if (node.process === 'frozen' || node.process === 'dead') return { kind: 'silence' }
    const isOpen = this.#session === node.startedAt && node.process === 'up'
    if (this.#session !== null && !isOpen) this.#hungUp = true
    if (!isOpen) this.#session = null
    const mustLogIn = !isOpen || fresh || now() >= this.#renewAt
    if (mustLogIn) {
      const hindrance = this.#hindrance()
      const isAboutTheServer = hindrance !== 'too-many-connections' && hindrance !== 'dns'
      if (hindrance !== null && (isAboutTheServer || !isOpen)) return this.#lose(hindrance)
      this.#renewAt = now() + SESSION_RENEW_MS
      if (hindrance === null) this.#hungUp = false
    }
    this.#session = node.startedAt
    return { kind: 'answer', answer: node.answer(now()) }
  }

  #hindrance(): FailureClass | null {
    const { node } = this.#options
    if (!node.hasName) return this.#hungUp ? 'vanished' : 'dns'
    switch (node.process) {
      case 'down':
        return 'refused'
      case 'starting':
        return 'starting-up'
      case 'stopping':
        return 'shutting-down'
      default:
        if (node.loginFailure !== null) return node.loginFailure
        return node.isFull ? 'too-many-connections' : null
    }
  }

  #lose(failure: FailureClass): Answer {
    if (this.#session !== null && failure === 'reset') this.#hungUp = true
    this.#session = null
    return { kind: 'failure', failure }
  }
}
