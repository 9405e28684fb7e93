/**
 * One run of the session fuzzer: real sessions with everything around them real but time, hostile clients in front and
 * hostile servers behind. It offers what may happen (session/script.ts chooses), and in the end checks what must hold.
 * Test support.
 */
import type { Socket } from 'node:net'
import process from 'node:process'
import { pino } from 'pino'
import { Admission } from '../../../src/net/admission.ts'
import { Session } from '../../../src/net/session.ts'
import { SessionEndLog } from '../../../src/net/session-end-log.ts'
import type { SessionEnvironment } from '../../../src/net/session-environment.ts'
import { SessionRegistry } from '../../../src/net/session-registry.ts'
import { createSharedLookup } from '../../../src/net/shared-lookup.ts'
import type { CloseReasonKind } from '../../../src/session/close-reason.ts'
import { cancelTargets, type RouteRequest } from '../../../src/topology/route-session.ts'
import { type DecisionSketch, decide } from '../../net/decision-builder.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ensure } from '../target.ts'
import { isAllOfClient, isFromClient, isFromServer, type TlsMode } from './explain-bytes.ts'
import { HostilePeer } from './hostile-peer.ts'
import { REFUSED, type Transport } from './transport.ts'

/** What the proxy may hold back for one slow reader: a socket's own buffer, one read, and a login. */
const BUFFERED_BYTES_MAX = 384 * 1024

const CLIENTS_MAX = 3
const FLOODS_MAX = 2

/** Turns of the event loop without any change after which nothing is on its way on loopback. */
const QUIET_TURNS = 5
const TURNS_MAX = 2_000

const ROUNDS_MAX = 10

/** Longer than any timer of a session that has lost its peers. */
const LONG_MS = 61_000

/** Counts how often each session was removed, and for what. */
class WatchedRegistry extends SessionRegistry {
  readonly reasons = new Map<Session, CloseReasonKind[]>()

  override remove(session: Session, kind: CloseReasonKind): void {
    this.reasons.set(session, [...(this.reasons.get(session) ?? []), kind])
    super.remove(session, kind)
  }
}

export interface WorldOptions {
  readonly transport: Transport
  readonly tlsMode: TlsMode
  readonly route: RouteRequest['route']
  readonly onPromotion: 'keep' | 'end'
  readonly holdTimeoutMs: number
  readonly holdSessionsMax: number
}

export class World {
  readonly clock = new FakeClock(1_000)
  readonly registry = new WatchedRegistry()
  readonly admission: Admission
  readonly clients: HostilePeer[] = []
  /** In the order in which they were dialled. */
  readonly servers: HostilePeer[] = []
  readonly sessions: { readonly session: Session; readonly socket: Socket }[] = []
  readonly refusing = new Set<string>()
  readonly forgotten = new Set<string>()
  readonly #options: WorldOptions
  readonly #defects: string[] = []
  readonly #socketsBefore = openSockets()
  #isOver = false
  #floods = 0

  constructor(options: WorldOptions) {
    this.#options = options
    this.admission = new Admission({
      clock: this.clock,
      registry: this.registry,
      settings: { holdSessionsMax: options.holdSessionsMax, releaseRate: 100, decisionTtlMs: 3_600_000 },
    })
    const environment = this.#createEnvironment()
    options.transport.connections = {
      onClient: (socket) => {
        this.sessions.push({ session: new Session(socket, environment), socket })
      },
      onDialed: (socket) => {
        const server = new HostilePeer(socket)
        this.servers.push(server)
        if (this.#isOver) socket.destroy()
      },
    }
  }

  #createEnvironment(): SessionEnvironment {
    const { transport, tlsMode, route, onPromotion, holdTimeoutMs } = this.#options
    const settings = {
      sessionsMax: CLIENTS_MAX - 1,
      sessionsPerAddressMax: 0,
      startupTimeoutMs: 10_000,
      connectTimeoutMs: 2_000,
      holdTimeoutMs,
      keepAliveServerMs: 0,
    }
    const logger = pino({ level: 'error' }, { write: (line: string) => this.#defects.push(line) })
    return {
      listener: 'fuzz',
      request: { route, fallback: 'none', balance: 'least-sessions', maxLagBytes: null },
      tlsMode,
      onPromotion,
      settings: () => settings,
      addressOf: (node) => {
        if (this.forgotten.has(node)) return null
        return this.refusing.has(node) ? REFUSED : (transport.addresses.get(node) ?? null)
      },
      cancelTargets: (request) => cancelTargets(request, this.admission.decision),
      onHint: () => undefined,
      onDialed: () => undefined,
      admission: this.admission,
      registry: this.registry,
      clock: this.clock,
      lookup: createSharedLookup(),
      logger,
      endLog: new SessionEndLog({ logger, clock: this.clock }),
    }
  }

  connect(): void {
    if (this.clients.length < CLIENTS_MAX) this.clients.push(new HostilePeer(this.#options.transport.connect()))
  }

  /** A few: they take time. */
  mayFlood(): boolean {
    this.#floods += 1
    return this.#floods <= FLOODS_MAX
  }

  decide(sketch: Omit<DecisionSketch, 'at'>): void {
    this.clock.advance(1)
    this.admission.takeDecision(decide({ ...sketch, at: this.clock.now() }))
  }

  /** Lets what is on its way arrive, and looks whether anything piles up. */
  async settle(): Promise<void> {
    let quiet = 0
    let before = this.#fingerprint()
    for (let turn = 0; turn < TURNS_MAX && quiet < QUIET_TURNS; turn += 1) {
      await nextTurn()
      const now = this.#fingerprint()
      quiet = now === before ? quiet + 1 : 0
      before = now
    }
    for (const { socket } of this.sessions) {
      ensure(socket.writableLength <= BUFFERED_BYTES_MAX, 'I12: what a client does not read is not piled up')
    }
  }

  #fingerprint(): string {
    const peers = [...this.clients, ...this.servers].map(
      (peer) => `${peer.receivedBytes} ${peer.socket.writableLength} ${peer.isClosed}`,
    )
    return [...peers, ...this.sessions.map(({ session }) => session.phase)].join('\n')
  }

  /** Everybody reads, and what was sent while relaying must come through. */
  async expectDelivery(): Promise<void> {
    for (const peer of [...this.clients, ...this.servers]) peer.socket.resume()
    await this.settle()
    const { tlsMode } = this.#options
    for (const { session, socket } of this.sessions) {
      const client = this.clients.find((each) => isSameConnection(each.socket, socket))
      if (session.phase !== 'relaying' || client?.isSound !== true) continue
      const isServed = this.servers.some(
        (server) =>
          server.isSound &&
          isAllOfClient(server.received, client.sent, tlsMode) &&
          isFromServer(client.received, server.sent, { sent: client.sent, tlsMode }) &&
          client.receivedBytes >= server.sent.length,
      )
      ensure(isServed, 'what is sent while relaying arrives')
    }
  }

  /** What arrived anywhere is what was sent elsewhere. */
  checkBytes(): void {
    const { tlsMode } = this.#options
    for (const server of this.servers) {
      const isExplained = this.clients.some((client) => isFromClient(server.received, client.sent, tlsMode))
      ensure(isExplained, 'a server gets what a client sent, unaltered and in order')
    }
    const silence = Buffer.alloc(0)
    for (const client of this.clients) {
      const streams = [silence, ...this.servers.map((server) => server.sent)]
      const isExplained = streams.some((sent) => isFromServer(client.received, sent, { sent: client.sent, tlsMode }))
      ensure(isExplained, 'I6: a client gets what a server sent, and a farewell only between two messages')
    }
  }

  /** Ends everything from outside, in one of several ways, and checks that nothing is left of it. */
  async finish(way: 'reset' | 'end' | 'stop'): Promise<void> {
    if (way === 'stop') {
      for (const session of this.registry.all()) session.stop()
      for (let round = 0; round < 3; round += 1) {
        await this.settle()
        this.clock.advance(LONG_MS)
      }
      await this.settle()
      ensure(this.registry.size === 0, 'a stopped session ends in bounded time, whatever its peers do')
    }
    this.checkBytes()
    await this.clear(way === 'end' ? 'end' : 'reset')
    ensure(this.registry.size === 0, 'I8: a session ends in bounded time when both its peers are gone')
    const isOnce = this.sessions.every(({ session }) => this.registry.reasons.get(session)?.length === 1)
    ensure(isOnce, 'I8: every session ends with exactly one reason')
    const counted = Object.values(this.registry.endedCounts).reduce((sum, count) => sum + count, 0)
    ensure(counted === this.sessions.length, 'I8: every end is counted once')
    ensure(
      this.sessions.every(({ session }) => session.phase === 'closed'),
      'every session is closed',
    )
    ensure(this.#defects.length === 0, `no defect is logged: ${this.#defects[0]}`)
    const { active, held } = this.registry.figures
    ensure(active.length === 0 && held.size === 0, 'nobody is counted any more')
    ensure(this.admission.heldCount === 0, 'nobody is left in the hold queue')
    ensure(this.clock.pendingCount === 0, 'no timer is left')
    for (const node of ['node1', 'node2']) ensure(this.registry.countOn(node) === 0, 'no session counts on a node')
    ensure(openSockets() <= this.#socketsBefore, 'no socket is left')
  }

  /** Closes all that is open, whatever was seen. */
  async clear(way: 'reset' | 'end'): Promise<void> {
    this.#isOver = true
    const peers = (): HostilePeer[] => [...this.clients, ...this.servers]
    if (way === 'end') {
      for (const peer of peers()) {
        peer.socket.resume()
        peer.end()
      }
      await this.settle()
    }
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      for (const peer of peers()) peer.socket.destroy()
      await this.settle()
      if (this.registry.size === 0 && openSockets() <= this.#socketsBefore) break
      // A client that has said more than is kept is not read from, and so not missed, before its wait is over.
      this.clock.advance(LONG_MS)
    }
    this.admission.close()
    this.#options.transport.connections = null
  }

  /** After a failure: leaves nothing for the next run. */
  async abandon(): Promise<void> {
    for (const session of this.registry.all()) session.destroy()
    await this.clear('reset')
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => /^(TCP|Pipe)(SocketWrap|Wrap|ConnectWrap)$/.test(kind))
    .length
}

/** The two ends of one connection. Unix sockets have no names: there the order of arrival has to do. */
function isSameConnection(client: Socket, accepted: Socket): boolean {
  return client.localPort !== undefined && client.localPort === accepted.remotePort
}
