/**
 * The Authentication* messages (B), as far as a proxy that takes no part in authentication must know them: which of
 * them the client has to answer. Pure protocol layer.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONOK
 */
import { MESSAGE_HEADER_BYTES } from './message-framer.ts'

const AUTHENTICATION_OK = 0
const AUTHENTICATION_SASL = 10
const AUTHENTICATION_SASL_FINAL = 12

/** The Int32 that starts every Authentication* payload. `null` when the payload is shorter than that. */
export function readAuthenticationCode(payload: Buffer): number | null {
  return payload.length < 4 ? null : payload.readInt32BE(0)
}

/**
 * Whether the client has to send something before the server goes on. Once such a message was relayed, the session can
 * no longer be moved to another server unseen. Codes of the future count as in need of an answer.
 */
export function needsAnswer(code: number): boolean {
  return code !== AUTHENTICATION_OK && code !== AUTHENTICATION_SASL_FINAL
}

/** What the name of a SASL mechanism with channel binding ends in, as in `SCRAM-SHA-256-PLUS`. */
const CHANNEL_BINDING_SUFFIX = '-PLUS'

/**
 * AuthenticationSASL (B) without its mechanisms with channel binding; any other message as it is, and so is one that
 * would offer nothing then. For clients in plain whose server is reached over TLS: libpq takes such an offer for an
 * attack ("server offered SCRAM-SHA-256-PLUS authentication over a non-SSL connection"). `bytes` is the whole message.
 */
export function withoutChannelBinding(bytes: Buffer): Buffer {
  const payload = bytes.subarray(MESSAGE_HEADER_BYTES)
  if (readAuthenticationCode(payload) !== AUTHENTICATION_SASL) return bytes
  const offered = payload.toString('latin1', 4).split('\0')
  const left = offered.filter((mechanism) => !mechanism.endsWith(CHANNEL_BINDING_SUFFIX))
  if (left.length === offered.length || left.every((mechanism) => mechanism === '')) return bytes
  const message = Buffer.concat([bytes.subarray(0, MESSAGE_HEADER_BYTES + 4), Buffer.from(left.join('\0'), 'latin1')])
  message.writeInt32BE(message.length - 1, 1)
  return message
}
