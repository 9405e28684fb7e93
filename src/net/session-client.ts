/**
 * Who a session is for, its number, and its place under the limits: of all sessions, and of those from one address. Effect layer.
 */
import type { Socket } from 'node:net'
import { LOCAL_CLIENT, peerAddress } from './client-address.ts'
import type { SessionEnvironment } from './session-environment.ts'

export class SessionClient {
  readonly #environment: Pick<SessionEnvironment, 'registry' | 'settings'>
  /** Counted from 1 in this process: for the log and the list of sessions. */
  readonly sessionId: number
  /** Who has connected: the client, or a load balancer that speaks for it. */
  readonly peer: string
  /** The peer has to begin with a PROXY header. */
  readonly awaitsProxyHeader: boolean
  #address: string | null = null
  /** It has a place among the sessions of its address. */
  #isCounted = false

  constructor(socket: Socket, environment: Pick<SessionEnvironment, 'registry' | 'settings' | 'awaitsProxyHeader'>) {
    this.#environment = environment
    this.sessionId = environment.registry.nextSessionId()
    this.peer = peerAddress(socket)
    this.awaitsProxyHeader = environment.awaitsProxyHeader?.(this.peer) ?? false
    if (!this.awaitsProxyHeader) this.#address = this.peer
  }

  /** Who the session is for: `null` while a PROXY header is awaited, `[local]` for a Unix socket. */
  get address(): string | null {
    return this.#address
  }

  /** A PROXY header has named the client; `null`: it is the peer itself. */
  introduce(address: string | null): void {
    this.#address = address ?? this.peer
  }

  /** The limit that this session is beyond; otherwise it takes its place, also when it asks for the second time. */
  takePlace(): 'too-many-sessions' | 'too-many-from-address' | null {
    const { registry, settings } = this.#environment
    const { sessionsMax, sessionsPerAddressMax } = settings()
    if (registry.size > sessionsMax) return 'too-many-sessions'
    const address = this.#address
    // Whoever comes by a Unix socket has no address to be told apart by.
    if (this.#isCounted || address === null || address === LOCAL_CLIENT) return null
    if (sessionsPerAddressMax > 0 && registry.clients.count(address) >= sessionsPerAddressMax)
      return 'too-many-from-address'
    registry.clients.add(address)
    this.#isCounted = true
    return null
  }

  /** Call once, at the end of the session. */
  leavePlace(): void {
    if (this.#isCounted && this.#address !== null) this.#environment.registry.clients.remove(this.#address)
  }

  /** For the log: which session, and both addresses where they differ. */
  get logFields(): Readonly<Record<string, string | number | null>> {
    const client = this.#address === this.peer ? { client: this.peer } : { client: this.#address, peer: this.peer }
    return { session: this.sessionId, ...client }
  }
}
