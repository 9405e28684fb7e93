/**
 * The first packet of a session, the only one without a type byte: StartupMessage, SSLRequest, GSSENCRequest or
 * CancelRequest, or else a TLS ClientHello. Pure protocol layer: bytes in, a value out, and the bytes stay as they are,
 * because they are relayed unchanged. It does not judge parameters (a missing user is the server's to refuse) and does
 * not remember which requests came before: at most one SSL and one GSS request is a rule of the session.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
import { BACKEND_SECRET_BYTES_MAX, BACKEND_SECRET_BYTES_MIN } from './backend-key-data.ts'

const LENGTH_BYTES = 4
const FIXED_BYTES = LENGTH_BYTES + 4
const CANCEL_FIXED_BYTES = FIXED_BYTES + 4

/**
 * The most bytes a first packet may have, its length word included: 10,004. PostgreSQL's MAX_STARTUP_PACKET_LENGTH
 * (10,000) does not count the length word.
 */
export const STARTUP_PACKET_BYTES_MAX = LENGTH_BYTES + 10_000

/** First byte of a TLS record that carries a handshake. As the first byte of a length it would mean 352 MiB or more. */
const TLS_HANDSHAKE_RECORD = 0x16

// The special requests look like versions of a protocol major 1234.
const CANCEL_REQUEST_CODE = 80_877_102
const SSL_REQUEST_CODE = 80_877_103
const GSSENC_REQUEST_CODE = 80_877_104

/** The four forms of the first packet. */
export type StartupPacket =
  | {
      readonly kind: 'startup-message'
      readonly protocolMajor: 3
      /** 0 to 65535; any is accepted, as the server negotiates it down. */
      readonly protocolMinor: number
      /**
       * `user`, `database`, `replication`, `application_name`, `options`, `_pq_.*` and settings. For a name given twice
       * the last value, as in the server. Read as UTF-8: bytes of another encoding show as U+FFFD, so compare them
       * with ASCII words only and never send them on.
       */
      readonly parameters: ReadonlyMap<string, string>
    }
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gssenc-request' }
  | {
      readonly kind: 'cancel-request'
      /** Process id (4 bytes) and secret (4 to 256), one character a byte: what `readBackendKey` gives for the session. */
      readonly key: string
    }

/** What the bytes received so far amount to. Everything but `incomplete` is final: more bytes do not change it. */
export type FirstPacketResult =
  | { readonly kind: 'incomplete' }
  | {
      readonly kind: 'packet'
      readonly packet: StartupPacket
      /** Exactly the packet: a view of the given buffer, valid as long as that is. What follows it came early. */
      readonly bytes: Buffer
    }
  /** The client opens with TLS; nothing is consumed. */
  | { readonly kind: 'direct-tls' }
  /** `problem` is a constant text without any byte of the client's; it completes "invalid startup packet: …". */
  | { readonly kind: 'malformed'; readonly problem: string }
  | { readonly kind: 'unsupported-protocol'; readonly protocolMajor: number; readonly protocolMinor: number }

const INCOMPLETE: FirstPacketResult = { kind: 'incomplete' }
const DIRECT_TLS: FirstPacketResult = { kind: 'direct-tls' }

/**
 * Reads the first packet out of `buffer`, which holds everything received so far, from the packet's first byte.
 * Never throws and keeps nothing. A verdict comes as early as it can: a length out of bounds after 4 bytes, another
 * protocol or a wrong length of a special request after 8, so that no more than a legal packet is ever awaited.
 *
 * `directTlsAllowed` is for the very first bytes of a connection; after an SSLRequest or within TLS it is false, and a
 * ClientHello is then as malformed as any other length out of bounds.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
export function parseFirstPacket(buffer: Buffer, options: { readonly directTlsAllowed: boolean }): FirstPacketResult {
  if (options.directTlsAllowed && buffer[0] === TLS_HANDSHAKE_RECORD) return DIRECT_TLS
  if (buffer.length < LENGTH_BYTES) return INCOMPLETE

  const length = buffer.readInt32BE(0)
  if (length < FIXED_BYTES || length > STARTUP_PACKET_BYTES_MAX) return malformed('length out of bounds')
  if (buffer.length < FIXED_BYTES) return INCOMPLETE

  const code = buffer.readInt32BE(LENGTH_BYTES)
  switch (code) {
    case SSL_REQUEST_CODE:
      if (length !== FIXED_BYTES) return malformed('wrong length of SSL request')
      return packetOf({ kind: 'ssl-request' }, buffer.subarray(0, length))
    case GSSENC_REQUEST_CODE:
      if (length !== FIXED_BYTES) return malformed('wrong length of GSSAPI encryption request')
      return packetOf({ kind: 'gssenc-request' }, buffer.subarray(0, length))
    case CANCEL_REQUEST_CODE: {
      const secretBytes = length - CANCEL_FIXED_BYTES
      if (secretBytes < BACKEND_SECRET_BYTES_MIN || secretBytes > BACKEND_SECRET_BYTES_MAX) {
        return malformed('wrong length of cancel request')
      }
      if (buffer.length < length) return INCOMPLETE
      const key = buffer.toString('latin1', FIXED_BYTES, length)
      return packetOf({ kind: 'cancel-request', key }, buffer.subarray(0, length))
    }
  }

  const protocolMajor = code >>> 16
  const protocolMinor = code & 0xffff
  if (protocolMajor !== 3) return { kind: 'unsupported-protocol', protocolMajor, protocolMinor }
  if (buffer.length < length) return INCOMPLETE

  const bytes = buffer.subarray(0, length)
  const parameters = readParameters(bytes)
  if (parameters === null) return malformed('expected terminator as last byte')
  return packetOf({ kind: 'startup-message', protocolMajor, protocolMinor, parameters }, bytes)
}

/** Name and value pairs, each zero-terminated, then one zero byte that is the packet's last. `null` when not so. */
function readParameters(bytes: Buffer): ReadonlyMap<string, string> | null {
  const parameters = new Map<string, string>()
  const terminator = bytes.length - 1
  let offset = FIXED_BYTES
  while (offset < terminator && bytes[offset] !== 0) {
    const nameEnd = bytes.indexOf(0, offset)
    if (nameEnd === -1) return null
    const valueEnd = bytes.indexOf(0, nameEnd + 1)
    if (valueEnd === -1) return null
    parameters.set(bytes.toString('utf8', offset, nameEnd), bytes.toString('utf8', nameEnd + 1, valueEnd))
    offset = valueEnd + 1
  }
  return offset === terminator && bytes[offset] === 0 ? parameters : null
}

function packetOf(packet: StartupPacket, bytes: Buffer): FirstPacketResult {
  return { kind: 'packet', packet, bytes }
}

function malformed(problem: string): FirstPacketResult {
  return { kind: 'malformed', problem }
}

/**
 * The SSLRequest this proxy itself sends to a server: Int32(8), Int32(80877103). A fresh buffer of the caller's.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST
 */
export function buildSslRequest(): Buffer {
  const bytes = Buffer.alloc(FIXED_BYTES)
  bytes.writeInt32BE(FIXED_BYTES, 0)
  bytes.writeInt32BE(SSL_REQUEST_CODE, LENGTH_BYTES)
  return bytes
}
