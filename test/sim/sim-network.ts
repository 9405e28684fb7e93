/** The ways between one proxy and the nodes, each direction for itself. Test support. */
import type { SimNode } from './sim-node.ts'

export interface Way {
  /** What the proxy sends does not arrive. */
  isOutCut: boolean
  /** What the node sends does not arrive. */
  isBackCut: boolean
  /** A box between breaks every connection (`reset`), or a firewall rejects (`refused`). */
  breaks: 'reset' | 'refused' | null
  /** Per cent of the questions that get lost. */
  lossPercent: number
  /** Added to each answer. */
  delayMs: number
}

export class SimNetwork {
  readonly #ways = new Map<string, Way>()

  way(node: SimNode): Way {
    const known = this.#ways.get(node.name)
    if (known !== undefined) return known
    const way: Way = { isOutCut: false, isBackCut: false, breaks: null, lossPercent: 0, delayMs: 0 }
    this.#ways.set(node.name, way)
    return way
  }

  mend(node: SimNode): void {
    this.#ways.delete(node.name)
  }

  mendAll(): void {
    this.#ways.clear()
  }
}
