/**
 * The Authentication* messages (B), as far as a proxy that takes no part in authentication must know them: which of
 * them the client has to answer. Pure protocol layer.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONOK
 */

const AUTHENTICATION_OK = 0
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
