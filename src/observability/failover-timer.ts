/**
 * Times a change of primary: from the last proof of the old one to the acceptance of the new one, and from there to the
 * first session on it. Knows no clock and no metric; effect layer, but pure bookkeeping. It cannot tell a failover from
 * a switchover, and after a restart of the proxy it does not know how old the last proof is.
 */
import type { Decision, Epoch, TopologyState } from '../topology/topology-state.ts'

export class FailoverTimer {
  /** The last accepted primary; `null` before there was one. */
  #incumbent: string | null = null
  #lastProof: { readonly node: string; readonly at: number } | null = null
  #awaited: { readonly node: string; readonly acceptedAt: number } | null = null

  /** Call it for every decision, before anything else. */
  takeDecision({ primary, provenAt }: Decision, { epoch }: TopologyState): void {
    this.#incumbent = epoch?.node ?? null
    if (primary !== null) this.#lastProof = { node: primary, at: provenAt }
  }

  /**
   * `null` when the primary has not changed. `isAwaited`: sessions were waiting for one; without any, the time to the
   * first session would be the clients' and not ours. `sinceProofMs` is `null` when this process never saw a proof.
   */
  takeAcceptance(epoch: Epoch, now: number, isAwaited: boolean): { readonly sinceProofMs: number | null } | null {
    const before = this.#incumbent
    this.#incumbent = epoch.node
    this.#awaited = null
    if (before === null || before === epoch.node) return null
    if (isAwaited) this.#awaited = { node: epoch.node, acceptedAt: now }
    const proof = this.#lastProof
    return { sinceProofMs: proof?.node === before ? now - proof.at : null }
  }

  /** Milliseconds from the acceptance; `null` when nobody waited for it. */
  takeFirstRouted(node: string, now: number): number | null {
    const awaited = this.#awaited
    this.#awaited = null
    return awaited?.node === node ? now - awaited.acceptedAt : null
  }
}
