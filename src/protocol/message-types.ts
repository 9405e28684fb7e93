/**
 * The type bytes of the backend messages this proxy looks at, and its one-byte answers to encryption requests. Pure
 * protocol layer. All other types are relayed without being named here.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** First byte of a backend message (B), by the name the documentation gives the message. */
export const BACKEND_MESSAGE_TYPES = {
  /** Byte1('R'): every Authentication* message; its Int32 says which. */
  authentication: 0x52,
  /** Byte1('K') */
  backendKeyData: 0x4b,
  /** Byte1('E') */
  errorResponse: 0x45,
  /** Byte1('v') */
  negotiateProtocolVersion: 0x76,
  /** Byte1('N') */
  noticeResponse: 0x4e,
  /** Byte1('S') */
  parameterStatus: 0x53,
  /** Byte1('Z') */
  readyForQuery: 0x5a,
} as const

/**
 * The single byte, no message, that answers an SSLRequest or GSSENCRequest. A server that knows neither, or fails
 * early, answers with an ErrorResponse instead.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
export const ENCRYPTION_ANSWERS = {
  /** Byte1('S'): go on with the TLS handshake. */
  tlsAccepted: 0x53,
  /** Byte1('G'): go on with the GSSAPI handshake. */
  gssAccepted: 0x47,
  /** Byte1('N'): no; the client goes on in plain or leaves. */
  refused: 0x4e,
} as const
