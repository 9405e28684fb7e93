/**
 * Which workers have fenced by the newest decision: a new one begins a round, each worker confirms it, and when all have,
 * or those that have not are gone, everybody may be admitted by it. Pure: no timers, `now` is an input. A newer round takes
 * the place of the one before, and whoever confirms the newer has fenced by both.
 */
interface Asked {
  readonly round: number
  readonly at: number
}

export class FencingRounds {
  #round = 0
  /** What each worker has been asked and has not confirmed, oldest first. */
  readonly #unconfirmed = new Map<number, readonly Asked[]>()

  /** The newest one; 0 before the first. */
  get round(): number {
    return this.#round
  }

  /** Everybody who is there has confirmed the newest round. */
  get isComplete(): boolean {
    return this.#unconfirmed.size === 0
  }

  /** It has been asked, and has not confirmed yet. */
  awaits(worker: number): boolean {
    return this.#unconfirmed.has(worker)
  }

  /** Begins a round in which all of these are asked; returns its number. */
  begin(workers: Iterable<number>, now: number): number {
    this.#round += 1
    const asked: Asked = { round: this.#round, at: now }
    for (const worker of workers) this.#unconfirmed.set(worker, [...(this.#unconfirmed.get(worker) ?? []), asked])
    return this.#round
  }

  /** The worker has fenced by the decision of that round, and so by all before it. */
  confirm(worker: number, round: number): void {
    const left = (this.#unconfirmed.get(worker) ?? []).filter((asked) => asked.round > round)
    if (left.length > 0) this.#unconfirmed.set(worker, left)
    else this.#unconfirmed.delete(worker)
  }

  /** The worker is gone, and its connections with it. */
  leave(worker: number): void {
    this.#unconfirmed.delete(worker)
  }

  /** Whether the worker was asked `limitMs` ago or earlier, and has not confirmed that. */
  isOverdue(worker: number, now: number, limitMs: number): boolean {
    const [oldest] = this.#unconfirmed.get(worker) ?? []
    return oldest !== undefined && now - oldest.at >= limitMs
  }
}
