/**
 * The cluster: servers, the network between them, replication, and what repmgr writes into its tables and when (times as
 * measured on real clusters). Test support. It knows the truth; nothing in it knows a proxy.
 */
import type { RepmgrNodeRow } from '../../src/topology/observation.ts'
import type { Random } from '../fuzz/random.ts'
import type { EventQueue } from './event-queue.ts'
import { type Branch, isAncestor, SimNode } from './sim-node.ts'

/** After so long without a message a standby gives its upstream up (`wal_receiver_timeout`). */
const RECEIVER_TIMEOUT_MS = 60_000

export interface ClusterOptions {
  /** Servers with data, 1 or more. */
  readonly nodeCount: number
  readonly hasWitness: boolean
  readonly hasRepmgr: boolean
  readonly systemIdentifier: string
}

export class SimCluster {
  readonly nodes: readonly SimNode[]
  readonly #queue: EventQueue
  readonly #random: Random
  /** `a>b`: what a sends does not reach b. */
  readonly #cuts = new Set<string>()
  readonly #silentSince = new Map<SimNode, number>()
  #identifiers = 0
  /** The one that was promoted last, by whomever: where the cluster wants its writes. */
  promotedLast: SimNode
  /** Called after whatever has changed a server. */
  onChange: (node: SimNode) => void = () => undefined

  constructor(options: ClusterOptions, queue: EventQueue, random: Random) {
    this.#queue = queue
    this.#random = random
    const branch: Branch = { systemIdentifier: options.systemIdentifier, timelineId: 1, parent: null }
    const witnessBranch: Branch = { ...branch, systemIdentifier: `${options.systemIdentifier}9` }
    const count = options.nodeCount + (options.hasWitness ? 1 : 0)
    this.nodes = Array.from({ length: count }, (_, index) => {
      const isWitness = index === options.nodeCount
      return new SimNode({ index, isWitness, branch: isWitness ? witnessBranch : branch })
    })
    const first = this.nodes[0] as SimNode
    first.inRecovery = false
    this.promotedLast = first
    if (options.hasRepmgr) {
      const rows = this.nodes.map((node) => rowOf(node, first))
      for (const node of this.nodes) node.rows = rows
    }
    for (const node of this.dataNodes) if (node !== first) node.upstream = first
    for (const node of this.dataNodes) if (node !== first) node.receiver = 'streaming'
  }

  get dataNodes(): readonly SimNode[] {
    return this.nodes.filter((node) => !node.isWitness)
  }

  find(name: string): SimNode {
    const node = this.nodes.find((each) => each.name === name)
    if (node === undefined) throw new Error(`there is no ${name}`)
    return node
  }

  // --- Network between nodes ---------------------------------------------------------------------------------------

  cut(from: SimNode, to: SimNode): void {
    this.#cuts.add(`${from.name}>${to.name}`)
    this.settle()
  }

  mend(node: SimNode): void {
    for (const cut of [...this.#cuts]) if (cut.split('>').includes(node.name)) this.#cuts.delete(cut)
    this.settle()
  }

  #isJoined(a: SimNode, b: SimNode): boolean {
    return !this.#cuts.has(`${a.name}>${b.name}`) && !this.#cuts.has(`${b.name}>${a.name}`)
  }

  // --- Servers ------------------------------------------------------------------------------------------------------

  stop(node: SimNode, how: 'down' | 'dead' | 'frozen'): void {
    if (node.process === how) return
    node.process = how
    if (how !== 'frozen') node.receiver = null
    node.halt(this.#queue.now)
    this.#changed(node)
  }

  /** SIGCONT: it goes on as what it was. */
  thaw(node: SimNode): void {
    if (node.process !== 'frozen') return
    node.process = 'up'
    this.#changed(node)
  }

  /** A start of the postmaster: 57P03 for a while, then what its data directory says; a primary is one again. */
  start(node: SimNode, options: { readonly withoutSignal?: boolean } = {}): void {
    if (node.process === 'up' || node.process === 'starting' || node.process === 'frozen') return
    node.process = 'starting'
    node.hasName = true
    node.receiver = null
    node.noteStart()
    if (options.withoutSignal === true) {
      // On the same timeline: no promotion has taken place.
      node.inRecovery = false
      node.branch = { ...node.branch, parent: node.branch }
      node.upstream = null
    }
    this.#changed(node)
    this.#queue.after(200 + this.#random.below(2_800), () => {
      if (node.process !== 'starting') return
      node.process = 'up'
      this.#changed(node)
    })
  }

  /** A smart or fast stop: 57P03 for a while, then nobody listens. */
  shutDown(node: SimNode): void {
    if (node.process !== 'up') return
    node.process = 'stopping'
    this.#changed(node)
    this.#queue.after(50 + this.#random.below(3_000), () => {
      if (node.process === 'stopping') this.stop(node, 'down')
    })
  }

  /** `sanctioned`: by repmgr, whose row follows about a second later. */
  promote(node: SimNode, options: { readonly sanctioned: boolean }): void {
    if (node.process !== 'up' || !node.inRecovery) return
    const { branch } = node
    node.inRecovery = false
    node.receiver = null
    node.upstream = null
    node.lagBytes = 0
    node.branch = { systemIdentifier: branch.systemIdentifier, timelineId: branch.timelineId + 1, parent: branch }
    this.promotedLast = node
    this.#queue.after(this.#random.below(60_000), () => {
      if (node.process === 'up') node.checkpointTimelineId = Math.max(node.checkpointTimelineId, node.branch.timelineId)
    })
    this.#changed(node)
    if (options.sanctioned) this.#queue.after(700 + this.#random.below(800), () => this.register(node))
  }

  /** `repmgr primary register --force`, or what repmgr does after its own promotion. */
  register(node: SimNode): void {
    if (!node.isWritable || node.rows === null) return
    node.rows = node.rows.map((row) => {
      if (row.nodeId === node.nodeId) return { ...row, type: 'primary', active: true, upstreamNodeId: null }
      return row.type === 'primary' ? { ...row, active: false } : row
    })
    this.#shipRows(node)
  }

  /** Every node is registered anew, as an operator does it after a rebuild. */
  registerAll(primary: SimNode): void {
    if (primary.rows === null) return
    primary.rows = this.nodes.map((node) => rowOf(node, primary))
    this.#shipRows(primary)
  }

  /** Rewound or cloned where its history has left that of its new upstream, restarted, and following. */
  rejoin(node: SimNode, upstream: SimNode): void {
    if (node === upstream || node.isWitness || !upstream.isWritable || node.process === 'dead') return
    node.process = 'up'
    node.hasName = true
    node.inRecovery = true
    node.noteStart()
    const needsRewind = !isAncestor(node.branch, upstream.branch)
    node.branch = needsRewind ? upstream.branch : node.branch
    if (needsRewind) {
      node.rows = upstream.rows
      node.checkpointTimelineId = upstream.branch.timelineId
    }
    node.receiver = null
    node.halt(this.#queue.now)
    node.upstream = upstream
    this.#changed(node)
    this.#queue.after(300, () => this.#registerStandby(node, upstream))
  }

  /** A standby takes another upstream, without a restart. */
  follow(node: SimNode, upstream: SimNode): void {
    if (node === upstream || !node.inRecovery || node.process !== 'up' || upstream.isWitness) return
    node.upstream = upstream
    node.receiver = null
    node.halt(this.#queue.now)
    this.#changed(node)
    this.#queue.after(300, () => this.#registerStandby(node, upstream))
  }

  /** initdb behind a known address: a cluster of its own. */
  initialise(node: SimNode): void {
    if (node.isWitness) return
    this.#identifiers += 1
    node.process = 'up'
    node.branch = { systemIdentifier: `79${String(this.#identifiers).padStart(17, '0')}`, timelineId: 1, parent: null }
    node.checkpointTimelineId = 1
    node.inRecovery = false
    node.upstream = null
    node.receiver = null
    node.rows = node.rows === null ? null : node.rows.filter(({ nodeId }) => nodeId === node.nodeId)
    node.noteStart()
    this.#changed(node)
  }

  /** An old snapshot of its disk is put back: it is a primary of the timeline before. False when there is none before. */
  restore(node: SimNode): boolean {
    const { parent } = node.branch
    if (node.isWitness || parent === null) return false
    this.stop(node, 'down')
    node.branch = parent
    node.checkpointTimelineId = parent.timelineId
    node.inRecovery = false
    node.upstream = null
    this.start(node)
    return true
  }

  // --- Replication -------------------------------------------------------------------------------------------------

  /** Brings WAL receivers in line with what their upstreams and the network are now. */
  settle(): void {
    for (const node of this.dataNodes) {
      const { upstream } = node
      if (!node.inRecovery || upstream === null || node.process !== 'up') continue
      const isSilent = upstream.process === 'frozen' || upstream.process === 'dead' || !this.#isJoined(node, upstream)
      if (isSilent) {
        if (node.receiver !== null && !this.#silentSince.has(node)) this.#watchSilence(node)
        continue
      }
      this.#silentSince.delete(node)
      const canStream = upstream.process === 'up' && isAncestor(node.branch, upstream.branch)
      if (!canStream) this.#lose(node)
      else if (node.receiver !== 'streaming') this.#connect(node, upstream)
      else if (node.branch !== upstream.branch) {
        // The timeline has ended: the receiver begins anew on the next one.
        this.#lose(node)
        this.#connect(node, upstream)
      }
    }
  }

  #lose(node: SimNode): void {
    if (node.receiver === null) return
    node.receiver = null
    node.halt(this.#queue.now)
    for (const each of this.dataNodes) if (each.upstream === node) this.#queue.after(0, () => this.settle())
  }

  #watchSilence(node: SimNode): void {
    const since = this.#queue.now
    this.#silentSince.set(node, since)
    this.#queue.after(RECEIVER_TIMEOUT_MS, () => {
      if (this.#silentSince.get(node) !== since) return
      this.#silentSince.delete(node)
      this.#lose(node)
    })
  }

  #connect(node: SimNode, upstream: SimNode): void {
    this.#queue.after(20 + this.#random.below(3_000), () => {
      const stillWants = node.upstream === upstream && node.inRecovery && node.process === 'up'
      if (!stillWants || node.receiver === 'streaming' || upstream.process !== 'up') return
      if (!this.#isJoined(node, upstream) || !isAncestor(node.branch, upstream.branch)) return
      node.receiver = 'streaming'
      const isNewTimeline = node.branch !== upstream.branch
      node.branch = upstream.branch
      this.#shipRows(upstream)
      if (isNewTimeline) this.#changed(node)
    })
  }

  /** Rows travel with the WAL to the standbys, and to a witness by a daemon that looks now and then. */
  #shipRows(source: SimNode): void {
    const { rows } = source
    for (const node of this.nodes) {
      if (node.isWitness) {
        if (!source.isWritable || source.ownRow?.type !== 'primary') continue
        this.#queue.after(1_000 + this.#random.below(14_000), () => {
          const isHeard = source.isWritable && node.process === 'up' && this.#isJoined(node, source)
          if (isHeard && source.rows !== null) node.rows = source.rows
        })
      } else if (node.upstream === source && node.receiver === 'streaming') {
        this.#queue.after(5 + this.#random.below(300), () => {
          if (node.upstream !== source || node.receiver !== 'streaming' || node.rows === rows) return
          node.rows = rows
          this.#shipRows(node)
        })
      }
    }
  }

  #registerStandby(node: SimNode, upstream: SimNode): void {
    const primary = upstream.isPrimary ? upstream : upstream.upstream
    if (primary?.isWritable !== true || primary.rows === null || !node.inRecovery) return
    const row: RepmgrNodeRow = { ...rowOf(node, primary), upstreamNodeId: upstream.nodeId }
    primary.rows = [...primary.rows.filter(({ nodeId }) => nodeId !== node.nodeId), row].sort(
      (a, b) => a.nodeId - b.nodeId,
    )
    this.#shipRows(primary)
  }

  #changed(node: SimNode): void {
    this.settle()
    this.onChange(node)
  }
}

function rowOf(node: SimNode, primary: SimNode): RepmgrNodeRow {
  return {
    nodeId: node.nodeId,
    nodeName: node.name,
    type: node.isWitness ? 'witness' : node === primary ? 'primary' : 'standby',
    active: true,
    upstreamNodeId: node === primary ? null : primary.nodeId,
    address: node.address,
  }
}
