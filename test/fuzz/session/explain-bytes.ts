/**
 * Whether the bytes at one end of a session can be explained by what the other end sent: unaltered, in order, with nothing
 * of the proxy's own in them but the few things that it may say. Pure; a second, naive reading of the rules. Test support.
 */
import { parseErrorFields } from '../../../src/protocol/error-response.ts'
import { SQLSTATES } from '../../../src/protocol/sqlstate.ts'
import { GSSENC_REQUEST, SSL_REQUEST } from '../targets/wire-words.ts'

export type TlsMode = 'passthrough' | 'off'

/** A client's stream as servers may see it. */
interface ServerView {
  /** Without the encryption requests that the proxy answers itself. */
  readonly stream: Buffer
  /** Where the stream of one server may begin: at an SSLRequest, and at what follows it. */
  readonly starts: readonly number[]
  readonly asksForTls: boolean
}

function serverView(sent: Buffer, tlsMode: TlsMode): ServerView {
  const kept: Buffer[] = []
  const starts: number[] = []
  const seen = new Set<string>()
  let offset = 0
  let length = 0
  for (;;) {
    const packet = sent.subarray(offset, offset + 8)
    const name = packet.equals(SSL_REQUEST) ? 'tls' : packet.equals(GSSENC_REQUEST) ? 'gss' : null
    if (name === null || seen.has(name)) break
    seen.add(name)
    offset += 8
    if (name === 'gss' || tlsMode === 'off') continue
    starts.push(length)
    kept.push(packet)
    length += packet.length
  }
  starts.push(length)
  const asksForTls = seen.has('tls') && tlsMode === 'passthrough'
  return { stream: Buffer.concat([...kept, sent.subarray(offset)]), starts, asksForTls }
}

/** What a server got is what one client sent, from one of the places where its stream may begin. */
export function isFromClient(received: Buffer, sent: Buffer, tlsMode: TlsMode): boolean {
  const { stream, starts } = serverView(sent, tlsMode)
  return starts.some((start) => stream.subarray(start, start + received.length).equals(received))
}

/** The same, and nothing is missing. */
export function isAllOfClient(received: Buffer, sent: Buffer, tlsMode: TlsMode): boolean {
  const { stream, starts } = serverView(sent, tlsMode)
  return starts.some((start) => stream.subarray(start).equals(received))
}

const FAREWELL_STATES: readonly string[] = Object.values(SQLSTATES)

/** At most this many encryption requests are declined in the proxy's name or a server's before the stream begins. */
const DECLINES_MAX = 3

/**
 * What a client got is: `N` for each encryption request declined, then a prefix of what one server sent, then at most one
 * farewell of the proxy's, and that only between two messages of a stream that can be read.
 */
export function isFromServer(
  received: Buffer,
  sent: Buffer,
  client: { readonly sent: Buffer; readonly tlsMode: TlsMode },
): boolean {
  const { asksForTls } = serverView(client.sent, client.tlsMode)
  for (let declines = 0; declines <= DECLINES_MAX; declines += 1) {
    if (declines > 0 && received[declines - 1] !== 0x4e) break
    const body = received.subarray(declines)
    // Its answer to the SSLRequest may be among the `N`.
    for (const stream of sent[0] === 0x4e ? [sent, sent.subarray(1)] : [sent]) {
      if (isPrefixAndFarewell(body, stream, asksForTls && stream === sent)) return true
    }
  }
  return false
}

function isPrefixAndFarewell(body: Buffer, stream: Buffer, beginsWithTlsAnswer: boolean): boolean {
  const common = commonLength(body, stream)
  if (common === body.length) return true
  for (let end = common; end >= 0; end -= 1) {
    if (!isFarewell(body.subarray(end))) continue
    const relayed = body.subarray(beginsWithTlsAnswer && body[0] === 0x4e ? 1 : 0, end)
    if (beginsWithTlsAnswer && end > 0 && body[0] !== 0x4e) continue
    if (endsBetweenMessages(relayed)) return true
  }
  return false
}

function endsBetweenMessages(bytes: Buffer): boolean {
  let offset = 0
  while (bytes.length - offset >= 5) {
    const length = bytes.readInt32BE(offset + 1)
    if (length < 4) return false
    offset += 1 + length
  }
  return offset === bytes.length
}

function isFarewell(bytes: Buffer): boolean {
  if (bytes[0] !== 0x45 || bytes.length < 5 || bytes.readInt32BE(1) !== bytes.length - 1) return false
  const fields = parseErrorFields(bytes.subarray(5))
  return fields?.severity === 'FATAL' && FAREWELL_STATES.includes(fields.sqlState ?? '')
}

function commonLength(a: Buffer, b: Buffer): number {
  const most = Math.min(a.length, b.length)
  if (a.compare(b, 0, most, 0, most) === 0) return most
  let length = 0
  while (length < most && a[length] === b[length]) length += 1
  return length
}
