/**
 * BackendKeyData (B): the key with which a client may cancel what its session is doing. Pure protocol layer. The proxy
 * remembers it to find the node that a CancelRequest is for; it never makes keys of its own.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-BACKENDKEYDATA
 */

/** The secret's bounds in bytes: 4 in protocol 3.0, up to 256 since 3.2. */
export const BACKEND_SECRET_BYTES_MIN = 4
export const BACKEND_SECRET_BYTES_MAX = 256

const PROCESS_ID_BYTES = 4

/**
 * Int32 process id, then the secret to the end of the payload: all of it as one string, one character a byte (latin1),
 * fit to be the key of a map and equal to the `key` of a CancelRequest for this session. It is a credential: never
 * log it. `null` when the secret is shorter than 4 or longer than 256 bytes.
 */
export function readBackendKey(payload: Buffer): string | null {
  const secretBytes = payload.length - PROCESS_ID_BYTES
  if (secretBytes < BACKEND_SECRET_BYTES_MIN || secretBytes > BACKEND_SECRET_BYTES_MAX) return null
  return payload.toString('latin1', 0, payload.length)
}
