/**
 * One proxy on its own host: the production's health loop, admission, registry and placement, on a simulated clock, disk
 * and network. Test support. It is started, frozen and killed from outside; process-watch.ts checks what it does.
 */
import { Admission } from '../../src/net/admission.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import type { NodeIdentity, PersistentState } from '../../src/ports.ts'
import { HealthLoop, type HealthSettings, type OrderResult } from '../../src/probe/health-loop.ts'
import type { RouteRequest } from '../../src/topology/route-session.ts'
import type { Decision } from '../../src/topology/topology-state.ts'
import type { Random } from '../fuzz/random.ts'
import type { EventQueue } from './event-queue.ts'
import { Facts } from './facts.ts'
import { HostClock } from './host-clock.ts'
import type { Setup } from './plan.ts'
import { type Listener, ProcessWatch, type Program } from './process-watch.ts'
import type { SimCluster } from './sim-cluster.ts'
import { SimDisk } from './sim-disk.ts'
import { SimNetwork } from './sim-network.ts'
import type { SimNode } from './sim-node.ts'
import { SimProber } from './sim-prober.ts'
import { type Dialed, SimSession } from './sim-session.ts'

const WRITER: RouteRequest = { route: 'primary', fallback: 'none', balance: 'round-robin', maxLagBytes: null }
const REQUESTS: readonly RouteRequest[] = [
  WRITER,
  { route: 'standby', fallback: 'primary', balance: 'least-sessions', maxLagBytes: 16 * 2 ** 20 },
  { route: 'any', fallback: 'none', balance: 'round-robin', maxLagBytes: 16 * 2 ** 20 },
  { route: 'standby', fallback: 'none', balance: 'round-robin', maxLagBytes: null },
]
const CONNECT_TIMEOUT_MS = 2_000
const HURRY_MS = 10_000

/** One run of the program. */
interface Process extends Program {
  readonly clock: HostClock
  readonly facts: Facts
  readonly watch: ProcessWatch
  readonly sessions: Set<SimSession>
}

export class SimProxy {
  readonly name: string
  readonly network = new SimNetwork()
  readonly disk: SimDisk
  readonly #setup: Setup
  readonly #cluster: SimCluster
  readonly #queue: EventQueue
  readonly #random: Random
  readonly #listener: Listener
  #process: Process | null = null
  #sessionIds = 0

  constructor(options: {
    readonly name: string
    readonly setup: Setup
    readonly cluster: SimCluster
    readonly queue: EventQueue
    readonly random: Random
    readonly listener: Listener
    readonly onDisk: PersistentState | null
  }) {
    this.name = options.name
    this.#setup = options.setup
    this.#cluster = options.cluster
    this.#queue = options.queue
    this.#random = options.random
    this.#listener = options.listener
    this.disk = new SimDisk(options.onDisk, options.queue, options.random)
  }

  get isRunning(): boolean {
    return this.#process !== null
  }

  get decision(): Decision | null {
    return this.#process?.loop.snapshot.decision ?? null
  }

  get known(): PersistentState {
    return this.#process?.facts.known ?? this.disk.content ?? { epoch: null, fenced: [] }
  }

  get sessions(): readonly SimSession[] {
    return [...(this.#process?.sessions ?? [])]
  }

  // --- The program -------------------------------------------------------------------------------------------------

  start(): void {
    if (this.#process !== null) return
    const restored = this.disk.content ?? { epoch: null, fenced: [] }
    const clock = new HostClock(this.#queue)
    const facts = new Facts(restored, this.#setup.policy.failuresToCount)
    const watch = new ProcessWatch({
      proxy: this.name,
      facts,
      clock,
      setup: this.#setup,
      cluster: this.#cluster,
      listener: this.#listener,
    })
    const registry = new SessionRegistry()
    const { holdSessionsMax, releaseRate, timing } = this.#setup
    const admission = new Admission({
      clock,
      registry,
      settings: { holdSessionsMax, releaseRate, decisionTtlMs: timing.decisionTtlMs },
      events: { onHoldEnded: (outcome, waitedMs) => watch.noteHoldEnded(outcome, waitedMs) },
    })
    const loop = new HealthLoop({
      clock,
      restored,
      store: this.disk.open({
        isAlive: () => clock.isAlive,
        run: clock.run.bind(clock),
        onWritten: (state) => watch.noteWritten(state),
        onTold: (state) => watch.noteTold(state),
      }),
      settings: this.#healthSettings,
      createProber: (node) => this.#createProber(node, clock, facts, watch),
      events: {
        onDecision: (decision) => {
          watch.takeDecision(decision, { loop })
          admission.takeDecision(decision)
        },
        onMembers: (_added, removed) => {
          for (const { name } of removed) facts.forget(name)
        },
        onEpochSaved: ({ node, timelineId }) =>
          this.#listener.onNews(this.name, `accepted ${node} on timeline ${timelineId}`),
      },
    })
    this.#process = { clock, facts, watch, loop, admission, registry, sessions: new Set() }
    loop.start()
  }

  get #healthSettings(): HealthSettings {
    const { listedCount, hasRepmgr, policy, timing } = this.#setup
    const { intervalMs, fastIntervalMs } = timing
    const nodes = this.#cluster.nodes.slice(0, listedCount)
    return { nodes, discovery: hasRepmgr ? 'repmgr' : 'none', policy, intervalMs, fastIntervalMs }
  }

  #createProber({ name }: NodeIdentity, clock: HostClock, facts: Facts, watch: ProcessWatch): SimProber {
    const node = this.#cluster.find(name)
    return new SimProber({
      node,
      way: () => this.network.way(node),
      random: this.#random,
      timeoutMs: this.#setup.timing.timeoutMs,
      now: clock.now,
      inWorld: this.#queue.after.bind(this.#queue),
      inProxy: clock.run.bind(clock),
      onDelivered: (_node, observation) => {
        facts.take(name, observation)
        watch.isTouched = true
        this.#listener.count('probes')
      },
    })
  }

  /** SIGKILL: every session is gone with it, and nothing of it runs any more. */
  crash(): void {
    this.#process?.clock.kill()
    this.#process = null
  }

  /** The whole process stands still: its timers are late, what arrives waits in its sockets. */
  pause(forMs: number): void {
    this.#process?.clock.freeze(forMs)
  }

  /** Ends it in good order; nothing may be left over. */
  async stop(): Promise<void> {
    const process = this.#process
    if (process === null) return
    for (const session of [...process.sessions]) session.leave()
    process.admission.close()
    await process.loop.stop()
    process.watch.checkNothingLeft(process)
    this.crash()
  }

  // --- From outside ------------------------------------------------------------------------------------------------

  /** The process, where it can be reached. */
  get #awake(): Process | null {
    return this.#process?.clock.isFrozen === false ? this.#process : null
  }

  /** SIGHUP: the same settings again, and every monitoring session anew. */
  reload(): void {
    const process = this.#awake
    process?.watch.noteReload()
    process?.loop.configure(this.#healthSettings, { renewProbers: true })
  }

  hurry(): void {
    this.#awake?.loop.hurry(HURRY_MS)
  }

  order(kind: 'accept' | 'fence' | 'unfence', node: string): void {
    const process = this.#awake
    if (process === null) return
    const { ordered } = process.watch
    if (kind === 'accept') ordered.push(node)
    const done = (result: OrderResult): void => {
      if (kind === 'accept') ordered.splice(ordered.indexOf(node), 1)
      this.#listener.onNews(this.name, `order ${kind} ${node}: ${result.ok ? result.message : result.problem}`)
    }
    void process.loop[kind](node).then(done)
  }

  /** A client that stays for a while. */
  connect(kind: number, forMs: number): void {
    const process = this.#process
    if (process === null) return
    // While it is frozen the kernel takes the connection.
    if (process.clock.isFrozen) process.clock.run(0, () => this.#take(process, kind, forMs))
    else this.#take(process, kind, forMs)
  }

  #take(process: Process, kind: number, forMs: number): void {
    const { admission, registry, facts, clock, watch, loop, sessions } = process
    this.#sessionIds += 1
    const request = REQUESTS[kind % REQUESTS.length] ?? WRITER
    const session = new SimSession(this.#sessionIds, request, this.#setup.onPromotion, {
      clock,
      admission,
      registry,
      holdTimeoutMs: this.#setup.holdTimeoutMs,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      onDoubt: (node) => facts.doubtedAt.set(node, clock.now()),
      onHint: (node, fresh) => loop.hint(node, { fresh }),
      dial: (node) => this.#dial(this.#cluster.find(node)),
      onRouted: (routed, node) => watch.noteRouted(routed, node, process, this.disk.content?.epoch ?? null),
      onEnding: (ending, node, reason) => watch.noteEnding(ending, node, reason, process),
      onReleased: (released) => sessions.delete(released),
    })
    sessions.add(session)
    this.#listener.count('sessions')
    session.begin()
    clock.run(forMs, () => session.leave())
  }

  /** Something has happened to a server: what its sessions notice of it. */
  noteNode(node: SimNode): void {
    const process = this.#process
    const isHeard = !this.network.way(node).isBackCut && node.process !== 'frozen' && node.process !== 'dead'
    if (process === null || !isHeard) return
    const isLost = node.process !== 'up'
    const isExplained = node.process === 'stopping'
    for (const session of process.sessions) {
      if (session.node !== node.name) continue
      process.clock.run(1, () => {
        if (session.node !== node.name) return
        if (isLost) session.loseBackend(isExplained)
        else session.resume()
      })
    }
  }

  #dial(node: SimNode): Dialed {
    const way = this.network.way(node)
    if (way.breaks !== null) return 'refused'
    if (way.isOutCut || way.isBackCut || node.process === 'dead') return 'silent'
    if (!node.hasName || node.process === 'down') return 'refused'
    if (node.process === 'frozen') return 'stuck'
    if (node.process !== 'up') return 'not-now'
    if (node.isFull) return 'full'
    return node.inRecovery ? 'standby' : 'ready'
  }

  // --- Checks ------------------------------------------------------------------------------------------------------

  checkStep(): void {
    this.#process?.watch.checkStep(this.#process)
  }

  /** Now and then, to see that things go on. */
  checkProgress(): void {
    this.#process?.watch.checkProbing(this.#process)
    this.#process?.watch.checkReleasing(this.#process)
  }

  checkHealed(primary: string): void {
    if (this.#process === null) this.#listener.onBroken(this.name, 'liveness: within the bound', ['it does not run'])
    else this.#process.watch.checkHealed(primary, this.#process, WRITER)
  }
}
