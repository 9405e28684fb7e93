/**
 * What was seen of nodes that are no longer members: shows that a discovered address leads to a server that is listed
 * already, which would otherwise be discovered anew at every turn. Pure state. Rows that name others every time must not
 * fill the memory, so the nodes that left first are forgotten.
 */
import type { NodeEvidence } from '../topology/evidence.ts'

/** Several times as many as a cluster has nodes. */
export const FORMER_NODES_MAX = 256

export class FormerEvidence {
  readonly #byName = new Map<string, NodeEvidence>()

  remember(name: string, evidence: NodeEvidence): void {
    this.#byName.delete(name)
    this.#byName.set(name, evidence)
    const [oldest] = this.#byName.keys()
    if (oldest !== undefined && this.#byName.size > FORMER_NODES_MAX) this.#byName.delete(oldest)
  }

  /** Of those that left and of `members`, whose own word counts. */
  with(members: ReadonlyMap<string, NodeEvidence>): ReadonlyMap<string, NodeEvidence> {
    return new Map([...this.#byName, ...members])
  }
}
