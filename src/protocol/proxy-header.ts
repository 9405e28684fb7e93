/**
 * The PROXY protocol header, version 1 (text) and 2 (binary): what a load balancer says of its client before the
 * client's first byte. Pure protocol layer: bytes in, a value out. Whom to believe is not for it to know. TLVs are
 * skipped, and so are the destination and what the header says of protocols that are no TCP.
 *
 * @see https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt
 */
import { formatIpv4, formatIpv6, readIpv4, readIpv6 } from './ip-text.ts'

/** The longest line of version 1, CR and LF included. */
export const PROXY_V1_BYTES_MAX = 107
/** The longest header of version 2 that is taken, TLVs included; nginx takes as much. Real ones have a few hundred. */
export const PROXY_V2_BYTES_MAX = 4_096

/** Either version tells itself by its first byte. */
const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1')
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const V2_FIXED_BYTES = 16
const CR = 0x0d
const LF = 0x0a

const V2_COMMANDS = { local: 0x20, proxy: 0x21 } as const
/** Address family in the high half, transport in the low one; each with the bytes of its address block. */
const V2_TCP4 = 0x11
const V2_TCP6 = 0x21
const V2_ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [V2_TCP4, 12],
  [0x12, 12],
  [V2_TCP6, 36],
  [0x22, 36],
  [0x31, 216],
  [0x32, 216],
])

/** A port, without sign or leading zero. */
const PORT = '(?:0|[1-9]\\d{0,4})'
const V1_ADDRESSES = new RegExp(`^(TCP[46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (${PORT}) (${PORT})$`)

/** Who has connected to the load balancer. */
export interface ProxiedClient {
  /** IPv4, or IPv6 in its canonical form. */
  readonly address: string
  readonly port: number
}

/** What the bytes received so far amount to. Everything but `incomplete` is final. */
export type ProxyHeaderResult =
  | { readonly kind: 'incomplete' }
  | {
      readonly kind: 'header'
      /** `null`: the header names no TCP client (LOCAL, UNKNOWN, UNSPEC, UNIX, UDP): the peer speaks for itself. */
      readonly client: ProxiedClient | null
      readonly byteLength: number
    }
  /** `problem` is a constant text without any byte of the sender's. */
  | { readonly kind: 'malformed'; readonly problem: string }

const INCOMPLETE: ProxyHeaderResult = { kind: 'incomplete' }

/**
 * Reads the header at the beginning of `buffer`, which holds everything received so far. Never throws and keeps nothing.
 * Bytes that are no header are told by the first that differs, and a length out of bounds as soon as it is there.
 */
export function parseProxyHeader(buffer: Buffer): ProxyHeaderResult {
  if (buffer.length === 0) return INCOMPLETE
  if (startsLike(buffer, V1_SIGNATURE)) return parseVersion1(buffer)
  if (startsLike(buffer, V2_SIGNATURE)) return parseVersion2(buffer)
  return malformed('the connection does not begin with one')
}

/** Whether the bytes are the signature, or the beginning of it. */
function startsLike(buffer: Buffer, signature: Buffer): boolean {
  const length = Math.min(buffer.length, signature.length)
  return buffer.compare(signature, 0, length, 0, length) === 0
}

function parseVersion1(buffer: Buffer): ProxyHeaderResult {
  const window = buffer.subarray(0, PROXY_V1_BYTES_MAX)
  const lineFeed = window.indexOf(LF)
  if (lineFeed === -1) return window.length === PROXY_V1_BYTES_MAX ? malformed('its line is too long') : INCOMPLETE
  if (window[lineFeed - 1] !== CR) return malformed('its line ends without CR')
  const text = window.toString('latin1', V1_SIGNATURE.length, lineFeed - 1)
  const byteLength = lineFeed + 1
  if (text === 'UNKNOWN' || text.startsWith('UNKNOWN ')) return { kind: 'header', client: null, byteLength }
  const [, family, source = '', destination = '', sourcePort, destinationPort] = V1_ADDRESSES.exec(text) ?? []
  if (family === undefined) return malformed('its line is not as the protocol says')
  const read = family === 'TCP4' ? readIpv4 : readIpv6
  const address = read(source)
  const port = Number(sourcePort)
  const isValid = address !== null && read(destination) !== null && port <= 65_535 && Number(destinationPort) <= 65_535
  return isValid
    ? { kind: 'header', client: { address, port }, byteLength }
    : malformed('its addresses are not as the protocol says')
}

function parseVersion2(buffer: Buffer): ProxyHeaderResult {
  const command = buffer[12]
  if (command === undefined) return INCOMPLETE
  if (command >> 4 !== 2) return malformed('its version is unknown')
  if (command !== V2_COMMANDS.local && command !== V2_COMMANDS.proxy) return malformed('its command is unknown')
  if (buffer.length < V2_FIXED_BYTES) return INCOMPLETE
  const family = buffer.readUInt8(13)
  const length = buffer.readUInt16BE(14)
  const byteLength = V2_FIXED_BYTES + length
  if (byteLength > PROXY_V2_BYTES_MAX) return malformed('it is too long')
  if (command === V2_COMMANDS.proxy) {
    if (family >> 4 > 3 || (family & 0x0f) > 2) return malformed('its address family is unknown')
    if (length < (V2_ADDRESS_BYTES.get(family) ?? 0)) return malformed('it is too short for its addresses')
  }
  if (buffer.length < byteLength) return INCOMPLETE
  return { kind: 'header', client: command === V2_COMMANDS.local ? null : readClient(buffer, family), byteLength }
}

/** Source address, destination address, source port, destination port. */
function readClient(buffer: Buffer, family: number): ProxiedClient | null {
  switch (family) {
    case V2_TCP4:
      return { address: formatIpv4(buffer, V2_FIXED_BYTES), port: buffer.readUInt16BE(V2_FIXED_BYTES + 8) }
    case V2_TCP6:
      return { address: formatIpv6(buffer, V2_FIXED_BYTES), port: buffer.readUInt16BE(V2_FIXED_BYTES + 32) }
    default:
      return null
  }
}

function malformed(problem: string): ProxyHeaderResult {
  return { kind: 'malformed', problem }
}
