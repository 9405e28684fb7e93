/**
 * Lets connections in, or not: while file descriptors are short they are closed at once, before the process has none
 * left, so that running sessions, probes and the state file go on. Effect layer. Says when that begins and when it is
 * over, not each.
 */
import type { DescriptorBudget } from '../session/descriptor-budget.ts'
import { type Ends, isGone } from './client-address.ts'
import type { SessionRegistry } from './session-registry.ts'

export interface DoorOptions {
  readonly registry: Pick<SessionRegistry, 'descriptorCount' | 'turnAway'>
  /** Read anew for each connection. */
  readonly budget: () => DescriptorBudget
  readonly onShut: (descriptorCount: number) => void
  /** Told when the first one is let in again. */
  readonly onOpened: (turnedAwayCount: number) => void
}

export class Door {
  readonly #options: DoorOptions
  #isShut = false
  #turnedAwayCount = 0

  constructor(options: DoorOptions) {
    this.#options = options
  }

  /** For each connection once. `false`: it is counted, and to be closed. */
  admits(socket: Ends): boolean {
    const { registry, budget, onShut, onOpened } = this.#options
    if (isGone(socket)) {
      registry.turnAway('client-lost')
      return false
    }
    const { shutsAt, opensAt } = budget()
    const wasShut = this.#isShut
    this.#isShut = registry.descriptorCount >= (wasShut ? opensAt : shutsAt)
    if (this.#isShut) {
      if (!wasShut) onShut(registry.descriptorCount)
      this.#turnedAwayCount += 1
      registry.turnAway('out-of-descriptors')
      return false
    }
    if (wasShut) {
      onOpened(this.#turnedAwayCount)
      this.#turnedAwayCount = 0
    }
    return true
  }
}
