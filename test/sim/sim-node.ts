/**
 * One PostgreSQL server with its data directory, as far as a probe and a login can see it. Test support. It has no will of
 * its own: sim-cluster.ts makes things happen to it.
 */
import type { Lsn } from '../../src/topology/lsn.ts'
import type { FailureClass, NodeAddress, NodeAnswer, RepmgrNodeRow } from '../../src/topology/observation.ts'

/** A line of history. Two servers that were both promoted from timeline 1 write two branches with the number 2. */
export interface Branch {
  readonly systemIdentifier: string
  readonly timelineId: number
  readonly parent: Branch | null
}

/** `frozen`: takes connections, says nothing. `dead`: its host is off, so that nothing comes back at all. */
export type ProcessState = 'up' | 'down' | 'starting' | 'stopping' | 'frozen' | 'dead'

/** What a question to it leads to. `silence` becomes a timeout. */
export type Answer =
  | { readonly kind: 'answer'; readonly answer: NodeAnswer }
  | { readonly kind: 'failure'; readonly failure: FailureClass }
  | { readonly kind: 'silence' }

const BYTES_PER_MS = 100

export class SimNode {
  readonly name: string
  readonly nodeId: number
  readonly address: NodeAddress
  readonly isWitness: boolean
  branch: Branch
  /** What the control file says: lags a promotion. */
  checkpointTimelineId: number
  inRecovery: boolean
  process: ProcessState = 'up'
  hasName = true
  isFull = false
  /** Its monitoring logins fail. */
  loginFailure: 'auth' | 'permission' | null = null
  isReadOnlyByDefault = false
  startedAt = ''
  upstream: SimNode | null = null
  receiver: 'streaming' | 'waiting' | null = null
  /** Of a standby: what it has not replayed. */
  lagBytes = 0
  /** Its own copy of `repmgr.nodes`; `null` without the extension. */
  rows: readonly RepmgrNodeRow[] | null = null
  knowsLocalId = true
  /** Of a standby without a receiver: where it has stopped. */
  #haltedAt = 0
  #starts = 0

  constructor(options: { readonly index: number; readonly isWitness: boolean; readonly branch: Branch }) {
    this.nodeId = options.index + 1
    this.name = `node${this.nodeId}`
    this.address = { host: `10.0.0.${this.nodeId}`, port: 5432 }
    this.isWitness = options.isWitness
    this.branch = options.branch
    this.checkpointTimelineId = options.branch.timelineId
    this.inRecovery = !options.isWitness
    this.noteStart()
  }

  /** A new postmaster. */
  noteStart(): void {
    this.#starts += 1
    this.startedAt = `${this.nodeId}${String(this.#starts).padStart(6, '0')}`
  }

  halt(now: number): void {
    this.#haltedAt = now
  }

  get isPrimary(): boolean {
    return !this.isWitness && !this.inRecovery
  }

  /** It takes writes now, whether anybody should send it any or not. */
  get isWritable(): boolean {
    return this.isPrimary && this.process === 'up'
  }

  get ownRow(): RepmgrNodeRow | null {
    return this.rows?.find(({ nodeId }) => nodeId === this.nodeId) ?? null
  }

  /** One row through an open session. */
  answer(now: number): NodeAnswer {
    const written =
      0x5000000 + Math.floor((this.receiver === null && this.inRecovery ? this.#haltedAt : now) * BYTES_PER_MS)
    const { branch, inRecovery, upstream, receiver } = this
    const lsn = BigInt(written) as Lsn
    return {
      inRecovery,
      timelineId: inRecovery && receiver === null ? null : branch.timelineId,
      timelineIdAtLeast: inRecovery ? this.checkpointTimelineId : branch.timelineId,
      systemIdentifier: branch.systemIdentifier,
      postmasterStartedAt: this.startedAt,
      lsn,
      replayLsn: inRecovery ? (BigInt(Math.max(0, written - this.lagBytes)) as Lsn) : null,
      walReceiver:
        receiver === null || upstream === null
          ? null
          : {
              status: receiver,
              senderHost: upstream.address.host,
              senderPort: upstream.address.port,
              receivedTimelineId: branch.timelineId,
              lastMessageAgeMs: 10,
            },
      defaultTransactionReadOnly: this.isReadOnlyByDefault,
      repmgr:
        this.rows === null
          ? { kind: 'absent' }
          : { kind: 'rows', rows: this.rows, localNodeId: this.knowsLocalId ? this.nodeId : null },
    }
  }
}

/** `older` is `branch` or one that it came from: whoever has `older` can follow without a rewind. */
export function isAncestor(older: Branch, branch: Branch): boolean {
  for (let each: Branch | null = branch; each !== null; each = each.parent) if (each === older) return true
  return false
}
