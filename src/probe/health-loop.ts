/**
 * The loop that keeps the decision true: every observation is added to the evidence, the members are brought up to
 * date, the cluster is decided anew, and the decision is published. An acceptance is put to disk first and decided again
 * after that. Effect layer; the judgement is decideTopology's.
 */
import type { Clock, NodeIdentity, PersistentState, Prober, StateStore } from '../ports.ts'
import { decideTopology } from '../topology/decide-topology.ts'
import { addObservation, NO_EVIDENCE, type NodeEvidence } from '../topology/evidence.ts'
import { discoverMembers } from '../topology/members.ts'
import type { Observation } from '../topology/observation.ts'
import type { Policy } from '../topology/situation.ts'
import { ownRow } from '../topology/standing.ts'
import { type Decision, type Epoch, initialState, type TopologyState } from '../topology/topology-state.ts'
import { FormerEvidence } from './former-evidence.ts'
import { NodeLoop } from './node-loop.ts'
import { ProbeWaits } from './probe-waits.ts'

export interface HealthSettings {
  readonly nodes: readonly NodeIdentity[]
  readonly discovery: 'repmgr' | 'none'
  readonly policy: Policy
  readonly intervalMs: number
  readonly fastIntervalMs: number
}

export interface HealthEvents {
  /** After every observation; most of them repeat the one before. */
  readonly onDecision: (decision: Decision, state: TopologyState) => void
  readonly onObservation?: (node: string, observation: Observation) => void
  readonly onMembers?: (added: readonly NodeIdentity[], removed: readonly NodeIdentity[]) => void
  readonly onEpochSaved?: (epoch: Epoch) => void
  /** The epoch could not be put to disk: nobody is admitted by it, and the next observation tries again. */
  readonly onSaveFailed?: (epoch: Epoch, error: Error) => void
}

export interface HealthSnapshot {
  readonly decision: Decision | null
  readonly state: TopologyState
  readonly members: readonly NodeIdentity[]
  readonly evidence: ReadonlyMap<string, NodeEvidence>
}

/** What became of an operator's order. */
export type OrderResult =
  | { readonly ok: true; readonly message: string }
  | { readonly ok: false; readonly problem: string }

export class HealthLoop {
  readonly #clock: Clock
  readonly #store: StateStore
  readonly #events: HealthEvents
  readonly #createProber: (node: NodeIdentity) => Prober
  #settings: HealthSettings
  #members: readonly NodeIdentity[]
  #state: TopologyState
  #decision: Decision | null = null
  readonly #evidence = new Map<string, NodeEvidence>()
  readonly #formerEvidence = new FormerEvidence()
  readonly #loops = new Map<string, NodeLoop>()
  readonly #waits: ProbeWaits
  #fastUntil = Number.NEGATIVE_INFINITY
  #isSaving = false
  #lastWrite: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(options: {
    readonly clock: Clock
    readonly store: StateStore
    readonly settings: HealthSettings
    readonly restored: PersistentState
    readonly createProber: (node: NodeIdentity) => Prober
    readonly events: HealthEvents
  }) {
    this.#clock = options.clock
    this.#waits = new ProbeWaits(options.clock)
    this.#store = options.store
    this.#events = options.events
    this.#createProber = options.createProber
    this.#settings = options.settings
    this.#members = options.settings.nodes
    this.#state = initialState(options.restored.epoch, options.restored.fenced, options.clock.now())
  }

  get snapshot(): HealthSnapshot {
    return { decision: this.#decision, state: this.#state, members: this.#members, evidence: this.#evidence }
  }

  start(): void {
    for (const member of this.#members) this.#startLoop(member)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#waits.close()
    await Promise.all([...this.#loops.values()].map((loop) => loop.stop()))
    this.#loops.clear()
  }

  /** Somebody saw something on this node. A hint starts a probe and is never taken for more. */
  hint(node: string, options: { readonly fresh: boolean }): void {
    this.#loops.get(node)?.hint(options)
  }

  hintAll(): void {
    for (const loop of this.#loops.values()) loop.hint({ fresh: false })
  }

  /** Something is going on in the cluster: every node is asked now, and at the fast pace for so long. */
  hurry(forMs: number): void {
    this.#fastUntil = this.#clock.now() + forMs
    this.hintAll()
  }

  /**
   * New settings hold from now on. Nodes no longer listed are forgotten, unless repmgr's rows name them. With
   * `renewProbers` every monitoring session is made anew: who asks, or how, has changed.
   */
  configure(settings: HealthSettings, options: { readonly renewProbers: boolean }): void {
    if (this.#isStopped) return
    const before = new Map(this.#settings.nodes.map((node) => [node.name, node]))
    const isMoved = (node: NodeIdentity): boolean => {
      const old = before.get(node.name)
      return old !== undefined && (old.address.host !== node.address.host || old.address.port !== node.address.port)
    }
    const isGone = new Set([...before.keys()].filter((name) => !settings.nodes.some((node) => node.name === name)))
    for (const node of settings.nodes) if (isMoved(node)) isGone.add(node.name)
    this.#settings = settings
    const kept = this.#members.filter((member) => !isGone.has(member.name))
    this.#setMembers([
      ...settings.nodes,
      ...kept.filter((member) => !settings.nodes.some((n) => n.name === member.name)),
    ])
    if (options.renewProbers) this.#renewProbers()
    for (const loop of this.#loops.values()) loop.repace()
    this.#decide()
  }

  /** What another process of the proxy has put to disk holds here, too: an epoch, also a lower one, and the fences. */
  adopt({ epoch, fenced }: PersistentState): void {
    const isSame = JSON.stringify(epoch) === JSON.stringify(this.#state.epoch)
    const answer = epoch === null ? undefined : this.#evidence.get(epoch.node)?.lastAnswer?.answer
    const unbrokenSince = answer === undefined || answer.inRecovery ? null : answer.postmasterStartedAt
    const accepted = isSame ? {} : { epoch, pendingClaims: new Map(), unbrokenSince }
    this.#state = { ...this.#state, ...accepted, fenced: new Set(fenced) }
    this.#decide()
    this.hintAll()
  }

  // --- Operators' orders -------------------------------------------------------------------------------------------

  /** Takes the node's present claim for the epoch, also when that lowers it or pins another system identifier. */
  async accept(node: string): Promise<OrderResult> {
    const known = this.#evidence.get(node)
    const member = this.#members.find(({ name }) => name === node)
    if (member === undefined) return this.#unknownNode(node)
    const answer = known?.failing === null ? known.lastAnswer?.answer : undefined
    if (answer === undefined) return { ok: false, problem: `${node} does not answer: nothing can be accepted of it` }
    if (answer.inRecovery) return { ok: false, problem: `${node} is a standby: promote it first` }
    // Out of recovery, and of another identifier: everybody else would be foreign.
    if (ownRow(member, answer)?.type === 'witness') {
      return { ok: false, problem: `${node} is a witness: it can never be primary` }
    }
    if (this.#state.fenced.has(node)) {
      return { ok: false, problem: `${node} is fenced by an operator: unfence it first` }
    }
    const epoch: Epoch = {
      systemIdentifier: answer.systemIdentifier,
      timelineId: answer.timelineId ?? answer.timelineIdAtLeast,
      node,
      at: this.#clock.wallTime().toISOString(),
    }
    return this.#order(
      () => ({ epoch, pendingClaims: new Map(), unbrokenSince: answer.postmasterStartedAt }),
      () => {
        this.#events.onEpochSaved?.(epoch)
        return `${node} is accepted as primary on timeline ${epoch.timelineId}`
      },
    )
  }

  async fence(node: string): Promise<OrderResult> {
    if (!this.#members.some((member) => member.name === node)) return this.#unknownNode(node)
    return this.#order(
      ({ fenced }) => ({ fenced: new Set([...fenced, node]) }),
      () => `${node} is fenced: no session goes there until it is unfenced`,
    )
  }

  async unfence(node: string): Promise<OrderResult> {
    if (!this.#state.fenced.has(node)) return { ok: false, problem: `${node} is not fenced` }
    return this.#order(
      ({ fenced }) => ({ fenced: new Set([...fenced].filter((name) => name !== node)) }),
      () => `${node} is not fenced any more`,
    )
  }

  /** Asks the node, or all, at once and by a new connection; says when something has come back, `withinMs` at the latest. */
  async probe(node: string | null, withinMs: number): Promise<OrderResult> {
    const names = this.#members.map(({ name }) => name).filter((name) => node === null || name === node)
    if (node !== null && names.length === 0) return this.#unknownNode(node)
    const waited = this.#waits.wait(names, withinMs)
    for (const name of names) this.hint(name, { fresh: true })
    const silent = await waited
    const asked = `asked ${names.join(', ')}`
    return {
      ok: true,
      message: silent.length === 0 ? asked : `${asked}; nothing from ${silent.join(', ')} within ${withinMs} ms`,
    }
  }

  #unknownNode(node: string): OrderResult {
    const names = this.#members.map((member) => member.name).join(', ')
    return { ok: false, problem: `there is no node ${JSON.stringify(node)}; the nodes are ${names}` }
  }

  async #order(change: (state: TopologyState) => Partial<TopologyState>, onDone: () => string): Promise<OrderResult> {
    return await this.#writeInTurn(async () => {
      const changed = change(this.#state)
      const { epoch, fenced } = { ...this.#state, ...changed }
      try {
        await this.#store.save({ epoch, fenced: [...fenced] })
      } catch (error) {
        return { ok: false, problem: `the state file cannot be written: ${(error as Error).message}` }
      }
      this.#state = { ...this.#state, ...changed }
      const message = onDone()
      this.#decide()
      this.hintAll()
      return { ok: true, message }
    })
  }

  /**
   * What goes to disk is made from the state when its turn has come, and is in the state before the next one's: else an
   * order would bring back what another order, or an acceptance on its way to the disk, is about to replace.
   */
  #writeInTurn<T>(write: () => Promise<T>): Promise<T> {
    const written = this.#lastWrite.then(write)
    this.#lastWrite = written.catch(() => undefined)
    return written
  }

  get #intervalMs(): number {
    const { intervalMs, fastIntervalMs } = this.#settings
    return this.#decision?.pace === 'steady' && this.#clock.now() >= this.#fastUntil ? intervalMs : fastIntervalMs
  }

  // --- The turn ----------------------------------------------------------------------------------------------------

  #startLoop(member: NodeIdentity): void {
    const loop = new NodeLoop({
      prober: this.#createProber(member),
      clock: this.#clock,
      fastIntervalMs: () => this.#settings.fastIntervalMs,
      intervalMs: () => this.#intervalMs,
      onObservation: (observation) => this.#takeObservation(member.name, observation),
    })
    this.#loops.set(member.name, loop)
    loop.start()
  }

  /** What was seen so far stays evidence. */
  #renewProbers(): void {
    for (const member of this.#members) {
      void this.#loops.get(member.name)?.stop()
      this.#startLoop(member)
    }
  }

  #takeObservation(node: string, observation: Observation): void {
    if (this.#isStopped || !this.#loops.has(node)) return
    this.#events.onObservation?.(node, observation)
    this.#evidence.set(node, addObservation(this.#evidence.get(node) ?? NO_EVIDENCE, observation))
    if (this.#settings.discovery === 'repmgr') {
      const primary = this.#decision?.primary == null ? null : this.#state.epoch
      const evidence = this.#formerEvidence.with(this.#evidence)
      this.#setMembers(discoverMembers(this.#settings.nodes, this.#members, evidence, primary))
    }
    this.#decide()
    this.#waits.take(node, observation.sentAt)
  }

  #setMembers(members: readonly NodeIdentity[]): void {
    const sameAs = (a: NodeIdentity, b: NodeIdentity): boolean =>
      a.name === b.name && a.address.host === b.address.host && a.address.port === b.address.port
    const added = members.filter((member) => !this.#members.some((known) => sameAs(known, member)))
    const removed = this.#members.filter((known) => !members.some((member) => sameAs(known, member)))
    if (added.length === 0 && removed.length === 0) return
    this.#members = members
    for (const { name } of removed) {
      void this.#loops.get(name)?.stop()
      this.#loops.delete(name)
      const known = this.#evidence.get(name)
      if (known !== undefined) this.#formerEvidence.remember(name, known)
      this.#evidence.delete(name)
    }
    for (const member of added) this.#startLoop(member)
    this.#events.onMembers?.(added, removed)
  }

  #decide(): void {
    if (this.#isStopped) return
    const paceBefore = this.#decision?.pace
    const { decision, state } = decideTopology({
      previous: this.#state,
      members: this.#members,
      evidence: this.#evidence,
      policy: this.#settings.policy,
      now: this.#clock.now(),
      wallTime: this.#clock.wallTime().toISOString(),
    })
    this.#decision = decision
    this.#state = state
    this.#events.onDecision(decision, state)
    if (decision.accept !== null) void this.#saveEpoch(decision.accept)
    if (decision.pace === 'fast' && paceBefore === 'steady') for (const loop of this.#loops.values()) loop.repace()
  }

  async #saveEpoch(epoch: Epoch): Promise<void> {
    if (this.#isSaving) return
    this.#isSaving = true
    const epochBefore = this.#state.epoch
    const isOverruled = (): boolean =>
      // An operator may have decided otherwise while this one was on its way to the disk: the operator's word stands.
      this.#isStopped || this.#state.epoch !== epochBefore || this.#state.fenced.has(epoch.node)
    try {
      await this.#writeInTurn(async () => {
        if (isOverruled()) return
        await this.#store.save({ epoch, fenced: [...this.#state.fenced] })
        if (isOverruled()) return
        this.#state = { ...this.#state, epoch }
        this.#events.onEpochSaved?.(epoch)
      })
    } catch (error) {
      this.#events.onSaveFailed?.(epoch, error as Error)
      return
    } finally {
      this.#isSaving = false
    }
    this.#decide()
  }
}
