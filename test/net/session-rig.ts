/**
 * A listener with sessions on it, fake servers as nodes, and raw clients: everything but time is real. Test support.
 */
import { connect, type LookupFunction, type Socket } from 'node:net'
import { pino } from 'pino'
import { afterEach, expect } from 'vitest'
import { Admission, type AdmissionSettings } from '../../src/net/admission.ts'
import { Listener } from '../../src/net/listener.ts'
import { Session } from '../../src/net/session.ts'
import { SessionEndLog } from '../../src/net/session-end-log.ts'
import type { Hint, SessionEnvironment, SessionSettings, Termination } from '../../src/net/session-environment.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import { createSharedLookup } from '../../src/net/shared-lookup.ts'
import { parseErrorFields } from '../../src/protocol/error-response.ts'
import type { CloseReasonKind } from '../../src/session/close-reason.ts'
import type { NodeAddress } from '../../src/topology/observation.ts'
import { cancelTargets, type RouteRequest } from '../../src/topology/route-session.ts'
import { firstPacket, frameNaively, message, PROTOCOL_3_0, parameters } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { hideUserBuffer } from './accepted-socket.ts'
import { type DecisionSketch, decide } from './decision-builder.ts'
import { type FakeConnection, type FakeServer, LOGIN, startFakeServer } from './fake-server.ts'

/** A client that sends what it is told and remembers what it got. */
export class RawClient {
  readonly socket: Socket
  readonly #received: Buffer[] = []
  receivedBytes = 0
  hasEnded = false
  isClosed = false
  error: string | null = null

  constructor(port: number, options: { readonly allowHalfOpen?: boolean } = {}) {
    this.socket = connect({ host: '127.0.0.1', port, allowHalfOpen: options.allowHalfOpen ?? true })
    this.socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.receivedBytes += chunk.length
    })
    this.socket.on('end', () => {
      this.hasEnded = true
    })
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message
    })
    this.socket.on('close', () => {
      this.isClosed = true
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  send(...pieces: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(pieces))
    return this
  }

  /** Resolves when it has received exactly these bytes so far. */
  async got(bytes: Buffer): Promise<void> {
    await waitFor(
      `${bytes.length} bytes`,
      () => ({ isThere: this.receivedBytes >= bytes.length, ended: this.hasEnded }),
      { intervalMs: 2, until: ({ isThere }) => isThere },
    )
    expect(this.received.toString('latin1')).toBe(bytes.toString('latin1'))
  }

  /** Waits for the server's FIN, then closes as a client does. What came: all bytes. */
  async ended(): Promise<Buffer> {
    await waitFor('FIN', () => this.hasEnded || this.isClosed, { intervalMs: 2 })
    this.socket.end()
    return this.received
  }

  /** Waits for the FIN and reads the error before it: `57P03 text`, and the bytes before that. */
  async endedWith(): Promise<{
    readonly before: Buffer
    readonly error: string | null
    readonly detail: string | null
  }> {
    const bytes = await this.ended()
    const { messages, rest } = frameNaively(bytes)
    const last = messages.at(-1)
    if (last?.type !== 'E' || rest.length > 0) return { before: bytes, error: null, detail: null }
    const fields = parseErrorFields(last.payload)
    return {
      before: bytes.subarray(0, bytes.length - last.payload.length - 5),
      error: `${fields?.severity} ${fields?.sqlState} ${fields?.message}`,
      detail: fields?.detail ?? null,
    }
  }
}

export interface RigOptions {
  readonly nodes?: number
  readonly request?: Partial<RouteRequest>
  readonly tlsMode?: 'passthrough' | 'off'
  /** TLS ends at the rig. */
  readonly termination?: Termination
  readonly onPromotion?: 'keep' | 'end'
  readonly awaitsProxyHeader?: (peer: string) => boolean
  readonly lookup?: LookupFunction
  readonly settings?: Partial<SessionSettings>
  readonly admission?: Partial<AdmissionSettings>
  /** False: accepted sockets are as on a version of Node whose handles cannot be adopted. */
  readonly adopts?: boolean
}

export const STARTUP_TIMEOUT_MS = 10_000
export const HOLD_TIMEOUT_MS = 30_000

export const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'app'], ['database', 'shop']))
export const QUERY = message('Q', 'select 1\0')
export const TERMINATE = message('X')

/** Starts rigs for the tests of a file; each is finished, and checked for what it left behind, after its test. */
export function useRigs(): (options?: RigOptions) => Promise<SessionRig> {
  const rigs: SessionRig[] = []
  afterEach(async () => {
    for (const rig of rigs.splice(0)) await rig.finish()
  })
  return async (options) => {
    const rig = await SessionRig.start(options)
    rigs.push(rig)
    return rig
  }
}

export class SessionRig {
  readonly clock = new FakeClock(1000)
  readonly registry = new SessionRegistry()
  readonly admission: Admission
  readonly servers: ReadonlyMap<string, FakeServer>
  readonly hints: string[] = []
  /** How each dial ended, as `node1 connected`. */
  readonly dials: string[] = []
  /** Lines of the log of a defect: there must be none. */
  readonly defects: string[] = []
  /** Addresses that replace those of the fake servers; `null`: the node is no member any more. */
  readonly addresses = new Map<string, NodeAddress | null>()
  readonly sessions: Session[] = []
  readonly #clients: RawClient[] = []
  readonly #listener: Listener
  readonly #settings: SessionSettings

  private constructor(servers: ReadonlyMap<string, FakeServer>, options: RigOptions) {
    this.servers = servers
    this.#settings = {
      sessionsMax: 100,
      sessionsPerAddressMax: 0,
      startupTimeoutMs: STARTUP_TIMEOUT_MS,
      connectTimeoutMs: 2000,
      holdTimeoutMs: HOLD_TIMEOUT_MS,
      keepAliveServerMs: 0,
      ...options.settings,
    }
    this.admission = new Admission({
      clock: this.clock,
      registry: this.registry,
      settings: { holdSessionsMax: 100, releaseRate: 1000, decisionTtlMs: 3_600_000, ...options.admission },
    })
    const environment = this.#createEnvironment(options)
    this.#listener = new Listener({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      onConnection: (socket) => {
        if (options.adopts === false) hideUserBuffer(socket)
        this.sessions.push(new Session(socket, environment))
      },
      onError: (error) => this.defects.push(error.message),
    })
  }

  static async start(options: RigOptions = {}): Promise<SessionRig> {
    const servers = new Map<string, FakeServer>()
    for (let number = 1; number <= (options.nodes ?? 2); number += 1)
      servers.set(`node${number}`, await startFakeServer())
    const rig = new SessionRig(servers, options)
    await rig.#listener.open()
    return rig
  }

  #createEnvironment(options: RigOptions): SessionEnvironment {
    const logger = pino({ level: 'error' }, { write: (line: string) => this.defects.push(line) })
    return {
      listener: 'rig',
      request: { route: 'primary', fallback: 'none', balance: 'least-sessions', maxLagBytes: null, ...options.request },
      tlsMode: options.termination === undefined ? (options.tlsMode ?? 'passthrough') : 'terminate',
      ...(options.termination === undefined ? {} : { termination: options.termination }),
      onPromotion: options.onPromotion ?? 'keep',
      ...(options.awaitsProxyHeader === undefined ? {} : { awaitsProxyHeader: options.awaitsProxyHeader }),
      settings: () => this.#settings,
      addressOf: (node) => {
        const replaced = this.addresses.get(node)
        if (replaced !== undefined) return replaced
        const server = this.servers.get(node)
        return server === undefined ? null : { host: '127.0.0.1', port: server.port }
      },
      cancelTargets: (request) => cancelTargets(request, this.admission.decision),
      onHint: (node: string, hint: Hint) => this.hints.push(`${node} ${hint}`),
      onDialed: (node, errno) => this.dials.push(`${node} ${errno ?? 'connected'}`),
      admission: this.admission,
      registry: this.registry,
      clock: this.clock,
      lookup: options.lookup ?? createSharedLookup(),
      logger,
      endLog: new SessionEndLog({ logger, clock: this.clock }),
    }
  }

  get port(): number {
    return Number(this.#listener.address.split(':').at(-1))
  }

  connect(...pieces: readonly Buffer[]): RawClient {
    const client = new RawClient(this.port)
    this.#clients.push(client)
    if (pieces.length > 0) client.send(...pieces)
    return client
  }

  server(node: string): FakeServer {
    const server = this.servers.get(node)
    if (server === undefined) throw new Error(`there is no ${node}`)
    return server
  }

  /** Takes a decision of this moment. Returns how many sessions were ended. */
  decide(sketch: Omit<DecisionSketch, 'at'>): number {
    // A proof that was asked for after anything that happened before.
    this.clock.advance(1)
    return this.admission.takeDecision(decide({ ...sketch, at: this.clock.now() }))
  }

  async inPhase(phase: Session['phase'], number = 1): Promise<Session> {
    return await waitFor(
      `session ${number} to be ${phase}`,
      () => {
        const session = this.sessions[number - 1]
        return session?.phase === phase ? session : null
      },
      { intervalMs: 2 },
    ).then((session) => session as Session)
  }

  /** A session that is logged in on the node, from both ends. */
  async logIn(node: string, login = LOGIN): Promise<{ readonly client: RawClient; readonly server: FakeConnection }> {
    const [number, sessionNumber] = [this.server(node).connections.length + 1, this.sessions.length + 1]
    const client = this.connect(STARTUP)
    const server = await this.server(node).connection(number)
    await server.got(STARTUP)
    server.send(login)
    await client.got(login)
    await this.inPhase('relaying', sessionNumber)
    return { client, server }
  }

  /** The reasons of the sessions that have ended, and how many for each. */
  get ended(): Partial<Record<CloseReasonKind, number>> {
    const counts = Object.entries(this.registry.endedCounts).filter(([, count]) => count > 0)
    return Object.fromEntries(counts)
  }

  async isEmpty(): Promise<void> {
    await waitFor('the last session to be gone', () => this.registry.size === 0, { intervalMs: 2 })
  }

  /** Closes all that is open and checks that nothing is left: no session, timer, connection, and no defect seen. */
  async finish(): Promise<void> {
    this.#listener.close()
    for (const { socket } of this.#clients) socket.destroy()
    for (const session of this.registry.all()) session.destroy()
    await this.isEmpty()
    this.admission.close()
    for (const [name, server] of this.servers) {
      expect(this.registry.countOn(name), `sessions counted on ${name}`).toBe(0)
      for (const connection of server.connections) await connection.closed()
      await server.close()
    }
    expect(this.defects).toEqual([])
    expect(this.admission.heldCount).toBe(0)
    expect(this.clock.pendingCount, 'timers left').toBe(0)
    expect(this.sessions.every((session) => session.phase === 'closed')).toBe(true)
  }
}
