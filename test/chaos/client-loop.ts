/**
 * A client of a chaos run at work: opens sessions by its addresses in turn, asks, and begins again after whatever goes
 * wrong, at a bounded pace. Test support. It judges nothing; what happens is in the history.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ClientSpec } from './client-plan.ts'
import { ChaosSession, type SessionOptions } from './client-session.ts'

/** Between two attempts to connect: no application retries in a tight loop. */
const RETRY_PAUSE_MS = 200
/** A reader changes its standby now and then, or it would know one only. */
const READS_IN_A_SESSION = 60

export interface ClientLoopOptions extends Pick<SessionOptions, 'login' | 'nodes' | 'history'> {
  readonly spec: ClientSpec
  /** Aborted: finish what is under way, close, begin nothing. */
  readonly stopped: AbortSignal
  /** 0 to 1; for the paces. */
  readonly random: () => number
  readonly onAcknowledged: (client: string) => void
}

/** Works until it is stopped. */
export class ClientLoop {
  readonly #options: ClientLoopOptions
  #sessionCount = 0
  #n = 0

  constructor(options: ClientLoopOptions) {
    this.#options = options
  }

  async run(): Promise<void> {
    const { spec, stopped } = this.#options
    while (!stopped.aborted) {
      if (spec.count > 1) await this.#pace()
      const isDone = await Promise.all(Array.from({ length: spec.count }, () => this.#session()))
      if (isDone.includes(false)) await this.#pause(RETRY_PAUSE_MS)
    }
  }

  /** One session from its beginning to its end; whether that was as it should be. */
  async #session(): Promise<boolean> {
    const { spec, stopped } = this.#options
    const session = await this.#open()
    if (session === null) return false
    const countMax = this.#operationsMax
    let isGood = true
    for (let count = 0; count < countMax && isGood && !stopped.aborted; count += 1) {
      if (spec.style === 'idle') await Promise.race([this.#pace(), session.over])
      isGood = await this.#ask(session)
      if (isGood && spec.count === 1 && spec.style !== 'idle') await Promise.race([this.#pace(), session.over])
    }
    await session.close()
    return isGood
  }

  get #operationsMax(): number {
    switch (this.#options.spec.style) {
      case 'fresh':
      case 'crowd':
      case 'visitor':
        return 1
      case 'reader':
        return READS_IN_A_SESSION
      case 'idle':
        return 3
      case 'steady':
      case 'twice':
        return Number.POSITIVE_INFINITY
      default: {
        const unhandled: never = this.#options.spec.style
        return unhandled
      }
    }
  }

  /** By the first address that takes it; `null` when none does. */
  async #open(): Promise<ChaosSession | null> {
    const { spec, login, nodes, history, stopped } = this.#options
    const { name: client, route, patienceMs, style } = spec
    for (const target of spec.targets) {
      if (stopped.aborted) return null
      this.#sessionCount += 1
      const session = `${client}.${this.#sessionCount}`
      const inTransaction = style !== 'fresh' && style !== 'crowd'
      const options = { client, session, route, target, login, nodes, patienceMs, inTransaction, history }
      const opened = await ChaosSession.open(options)
      if (opened !== null) return opened
    }
    return null
  }

  async #ask(session: ChaosSession): Promise<boolean> {
    const { spec, onAcknowledged, random } = this.#options
    const isWrite = spec.route === 'write'
    if (isWrite) this.#n += 1
    const n = isWrite ? this.#n : null
    const nonce = `${spec.name}/${n ?? 'r'}/${Math.floor(random() * 2 ** 32).toString(16)}`
    const what = isWrite ? (spec.style === 'twice' ? 'twice' : 'write') : 'read'
    const isAnswered = await session.ask({ what, n, nonce, subject: spec.subject })
    if (isAnswered) onAcknowledged(spec.name)
    return isAnswered
  }

  async #pace(): Promise<void> {
    await this.#pause(this.#options.spec.paceMs * (0.5 + this.#options.random()))
  }

  async #pause(durationMs: number): Promise<void> {
    await delay(durationMs, undefined, { signal: this.#options.stopped }).catch(() => {})
  }
}
