/**
 * Reads what a client says before it has a server: a load balancer's PROXY header where one is due, encryption requests
 * in any legal order, then the one packet that wants something. Pure session layer: bytes in, instructions out; it
 * writes nothing and waits for nothing.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
import { type ProxiedClient, parseProxyHeader } from '../protocol/proxy-header.ts'
import { parseFirstPacket, type StartupPacket } from '../protocol/startup-packet.ts'
import type { CloseReason } from './close-reason.ts'

const EMPTY = Buffer.alloc(0)

/** What a listener does about encryption: leaves it to the servers, refuses it, or ends it here. */
export type TlsHandling = 'passthrough' | 'off' | 'terminate'

/** What the client wants of a server, and the bytes that say so: replayed as they are at every dial. */
export interface ServerRequest {
  readonly kind: 'startup-message' | 'ssl-request' | 'direct-tls'
  readonly bytes: Buffer
}

export type GreetingStep =
  | { readonly kind: 'incomplete' }
  /** A PROXY header, complete: who the client is, `null` for the peer itself. Call `take` again for what came behind it. */
  | { readonly kind: 'introduced'; readonly client: ProxiedClient | null }
  /** Answer `N`: encryption is not offered; the next packet follows. */
  | { readonly kind: 'decline' }
  /** Begin TLS here: after the answer `S`, or, if `isDirect`, with these bytes of the client's, its ClientHello. */
  | { readonly kind: 'start-tls'; readonly isDirect: boolean; readonly bytes: Buffer }
  | { readonly kind: 'request'; readonly request: ServerRequest }
  | { readonly kind: 'cancel'; readonly key: string; readonly bytes: Buffer }
  | { readonly kind: 'refuse'; readonly reason: CloseReason }

const INCOMPLETE: GreetingStep = { kind: 'incomplete' }

export class Greeting {
  readonly #tls: TlsHandling
  readonly #requiresTls: boolean
  #awaitsProxyHeader: boolean
  #inbox: Buffer = EMPTY
  #hasAskedForTls = false
  #hasAskedForGss = false
  #isEncrypted = false

  /**
   * `awaitsProxyHeader`: nothing counts before a PROXY header. Otherwise none is taken. `requiresTls`: sessions begin
   * within TLS; a CancelRequest may come in plain all the same, as libpq before 17 knows no other.
   */
  constructor(options: {
    readonly tlsMode: TlsHandling
    readonly requiresTls?: boolean
    readonly awaitsProxyHeader?: boolean
  }) {
    this.#tls = options.tlsMode
    this.#requiresTls = options.requiresTls ?? false
    this.#awaitsProxyHeader = options.awaitsProxyHeader ?? false
  }

  /** Takes the next bytes. After `decline`, and after a server declined an `ssl-request`, it goes on with the next packet. */
  take(chunk: Buffer = EMPTY): GreetingStep {
    this.#inbox = this.#inbox.length === 0 ? chunk : Buffer.concat([this.#inbox, chunk])
    if (this.#awaitsProxyHeader) return this.#takeProxyHeader()
    const directTlsAllowed = !this.#hasAskedForTls && !this.#hasAskedForGss && !this.#isEncrypted
    const result = parseFirstPacket(this.#inbox, { directTlsAllowed })
    switch (result.kind) {
      case 'incomplete':
        return INCOMPLETE
      case 'malformed':
        return refuse({ kind: 'malformed-startup', problem: result.problem })
      case 'unsupported-protocol':
        return refuse({ kind: 'unsupported-protocol', major: result.protocolMajor, minor: result.protocolMinor })
      case 'direct-tls':
        if (this.#tls === 'off') return refuse({ kind: 'tls-not-offered' })
        return this.#tls === 'terminate'
          ? { kind: 'start-tls', isDirect: true, bytes: this.#takeInbox() }
          : { kind: 'request', request: { kind: 'direct-tls', bytes: this.#takeInbox() } }
      case 'packet':
        return this.#takePacket(result.packet, result.bytes)
      default: {
        const unhandled: never = result
        return unhandled
      }
    }
  }

  /** After `start-tls`: the handshake is done, and what `take` gets next has come through it. */
  encrypted(): void {
    this.#isEncrypted = true
  }

  /** Why the session ends when the client goes no further: its time is over, or it has sent FIN. */
  unfinished(cause: 'timeout' | 'end'): CloseReason {
    if (this.#awaitsProxyHeader && cause === 'timeout') return noProxyHeader('it did not come in time')
    // Without a byte it is somebody who looks whether the port is open.
    if (this.#awaitsProxyHeader && this.#inbox.length > 0) return noProxyHeader('it was cut off')
    return { kind: cause === 'timeout' ? 'startup-timeout' : 'client-left-early' }
  }

  #takeProxyHeader(): GreetingStep {
    const result = parseProxyHeader(this.#inbox)
    switch (result.kind) {
      case 'incomplete':
        return INCOMPLETE
      case 'malformed':
        return refuse(noProxyHeader(result.problem))
      case 'header':
        this.#awaitsProxyHeader = false
        this.#inbox = this.#inbox.subarray(result.byteLength)
        return { kind: 'introduced', client: result.client }
      default: {
        const unhandled: never = result
        return unhandled
      }
    }
  }

  #takePacket(packet: StartupPacket, bytes: Buffer): GreetingStep {
    // Bytes behind an encryption request would be taken for part of the encrypted stream by one side: an injection hole.
    const isLast = bytes.length === this.#inbox.length
    switch (packet.kind) {
      case 'startup-message':
        if (this.#requiresTls && !this.#isEncrypted) return refuse({ kind: 'tls-required' })
        return { kind: 'request', request: { kind: 'startup-message', bytes: this.#takeInbox() } }
      case 'ssl-request':
        if (this.#isEncrypted) return refuse({ kind: 'malformed-startup', problem: 'SSLRequest within TLS' })
        if (!isLast) return refuse({ kind: 'early-bytes' })
        if (this.#hasAskedForTls) return refuse({ kind: 'malformed-startup', problem: 'second SSLRequest' })
        this.#hasAskedForTls = true
        this.#inbox = EMPTY
        if (this.#tls === 'off') return { kind: 'decline' }
        return this.#tls === 'terminate'
          ? { kind: 'start-tls', isDirect: false, bytes: EMPTY }
          : { kind: 'request', request: { kind: 'ssl-request', bytes } }
      case 'gssenc-request':
        if (this.#isEncrypted) return refuse({ kind: 'malformed-startup', problem: 'GSSENCRequest within TLS' })
        if (!isLast) return refuse({ kind: 'early-bytes' })
        if (this.#hasAskedForGss) return refuse({ kind: 'malformed-startup', problem: 'second GSSENCRequest' })
        this.#hasAskedForGss = true
        this.#inbox = EMPTY
        // A Kerberos principal names one server; which one serves is not for the client to know.
        return { kind: 'decline' }
      case 'cancel-request':
        return { kind: 'cancel', key: packet.key, bytes }
      default: {
        const unhandled: never = packet
        return unhandled
      }
    }
  }

  #takeInbox(): Buffer {
    const inbox = this.#inbox
    this.#inbox = EMPTY
    return inbox
  }
}

function noProxyHeader(problem: string): CloseReason {
  return { kind: 'no-proxy-header', problem }
}

function refuse(reason: CloseReason): GreetingStep {
  return { kind: 'refuse', reason }
}
