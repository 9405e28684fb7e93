/**
 * ErrorResponse (B): builds the ones this proxy sends, and reads the fields of those a server sends. Pure protocol
 * layer. What to say when is in farewells.ts; whether it may be written now is for the session to know.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-ERRORRESPONSE
 */
import { MESSAGE_HEADER_BYTES } from './message-framer.ts'
import { BACKEND_MESSAGE_TYPES } from './message-types.ts'

/** What an ErrorResponse says. Texts are for people, in English, without secrets. */
export interface ErrorResponseFields {
  /** Sent as both S and V. After FATAL the session ends; after ERROR it goes on. */
  readonly severity: 'FATAL' | 'ERROR'
  /** Five of 0-9 and A-Z; see sqlstate.ts. */
  readonly sqlState: string
  /** One line. */
  readonly message: string
  readonly detail?: string | undefined
  readonly hint?: string | undefined
}

/**
 * The whole message, ready to be written: S, V, C, M, then D and H when given. Control characters, which include zero
 * bytes and line ends, become spaces in every field, so no text can end a field early, add one, or forge a log line.
 * A fresh buffer of the caller's.
 */
export function buildErrorResponse(fields: ErrorResponseFields): Buffer {
  const { severity, sqlState, message, detail, hint } = fields
  let body = field('S', severity) + field('V', severity) + field('C', sqlState) + field('M', message)
  if (detail !== undefined) body += field('D', detail)
  if (hint !== undefined) body += field('H', hint)
  body += '\0'

  const bytes = Buffer.alloc(MESSAGE_HEADER_BYTES + Buffer.byteLength(body))
  bytes.writeUInt8(BACKEND_MESSAGE_TYPES.errorResponse, 0)
  bytes.writeInt32BE(bytes.length - 1, 1)
  bytes.write(body, MESSAGE_HEADER_BYTES)
  return bytes
}

function field(type: string, text: string): string {
  return `${type}${text.replace(/\p{Cc}+/gu, ' ')}\0`
}

/** The fields of a server's ErrorResponse or NoticeResponse that are looked at; each `null` when it is missing. */
export interface ParsedErrorFields {
  /** The untranslated severity (V), or from servers before 9.6 the translated one (S). */
  readonly severity: string | null
  readonly sqlState: string | null
  readonly message: string | null
  readonly detail: string | null
}

/**
 * Reads the payload of an ErrorResponse or NoticeResponse. A field counts when its terminating zero is there, the first
 * of its type wins, and what is cut off or unknown is passed over. `null` when not even one whole field is there.
 *
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function parseErrorFields(payload: Buffer): ParsedErrorFields | null {
  let localizedSeverity: string | null = null
  let severity: string | null = null
  let sqlState: string | null = null
  let message: string | null = null
  let detail: string | null = null

  let offset = 0
  while (offset < payload.length && payload[offset] !== 0) {
    const valueEnd = payload.indexOf(0, offset + 1)
    if (valueEnd === -1) break
    const valueStart = offset + 1
    switch (payload[offset]) {
      case 0x53: // 'S'
        localizedSeverity ??= payload.toString('utf8', valueStart, valueEnd)
        break
      case 0x56: // 'V'
        severity ??= payload.toString('utf8', valueStart, valueEnd)
        break
      case 0x43: // 'C'
        sqlState ??= payload.toString('utf8', valueStart, valueEnd)
        break
      case 0x4d: // 'M'
        message ??= payload.toString('utf8', valueStart, valueEnd)
        break
      case 0x44: // 'D'
        detail ??= payload.toString('utf8', valueStart, valueEnd)
        break
    }
    offset = valueEnd + 1
  }
  return offset === 0 ? null : { severity: severity ?? localizedSeverity, sqlState, message, detail }
}
