/**
 * Who a session is for, its number, and its place under the limits: of all sessions, and of those from one address. Effect layer.
 */
import type { Socket } from 'node:net'
import { LOCAL_CLIENT, peerAddress } from './client-address.ts'
import type { SessionEnvironment } from './session-environment.ts'

type ClientEnvironment = Pick<SessionEnvironment, 'registry' | 'settings' | 'places' | 'awaitsProxyHeader'>
type Excess = 'too-many-sessions' | 'too-many-from-address'

export class SessionClient {
  readonly #environment: ClientEnvironment
  /** Counted from 1 in this process: for the log and the list of sessions. */
  readonly sessionId: number
  /** Who has connected: the client, or a load balancer that speaks for it. */
  readonly peer: string
  /** The peer has to begin with a PROXY header. */
  readonly awaitsProxyHeader: boolean
  #address: string | null = null
  /** It has a place among the sessions of its address. */
  #isCounted = false
  #hasLeft = false

  constructor(socket: Socket, environment: ClientEnvironment) {
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

  /**
   * Takes a place for this session, and calls back with the limit that it is beyond, or `null`; at once, unless another
   * process has to be asked. One that asks for the second time has its place.
   */
  takePlace(onTaken: (excess: Excess | null) => void): void {
    const { registry, settings, places } = this.#environment
    const { sessionsMax, sessionsPerAddressMax } = settings()
    if (registry.size > sessionsMax) return onTaken('too-many-sessions')
    const address = this.#address
    // Whoever comes by a Unix socket has no address to be told apart by.
    if (this.#isCounted || address === null || address === LOCAL_CLIENT) return onTaken(null)
    if (places !== undefined && sessionsPerAddressMax > 0)
      return void this.#takePlaceElsewhere(address, sessionsPerAddressMax, places, onTaken)
    const isFree = sessionsPerAddressMax === 0 || registry.clients.count(address) < sessionsPerAddressMax
    if (isFree && places === undefined) registry.clients.add(address)
    if (isFree) places?.note(address)
    this.#isCounted = isFree
    onTaken(isFree ? null : 'too-many-from-address')
  }

  /** Call once, at the end of the session. */
  leavePlace(): void {
    this.#hasLeft = true
    if (!this.#isCounted || this.#address === null) return
    const { registry, places } = this.#environment
    if (places === undefined) registry.clients.remove(this.#address)
    else places.leave(this.#address)
  }

  async #takePlaceElsewhere(
    address: string,
    placesMax: number,
    places: NonNullable<SessionEnvironment['places']>,
    onTaken: (excess: Excess | null) => void,
  ): Promise<void> {
    const isFree = await places.take(address, placesMax)
    if (this.#hasLeft) {
      if (isFree) places.leave(address)
      return
    }
    this.#isCounted = isFree
    onTaken(isFree ? null : 'too-many-from-address')
  }

  /** For the log: which session, and both addresses where they differ. */
  get logFields(): Readonly<Record<string, string | number | null>> {
    const client = this.#address === this.peer ? { client: this.peer } : { client: this.#address, peer: this.peer }
    return { session: this.sessionId, ...client }
  }
}
