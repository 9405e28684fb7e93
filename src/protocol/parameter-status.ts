/**
 * ParameterStatus (B): a setting the server reports at login and whenever it changes; `in_hot_standby` is the one that
 * matters here. Pure protocol layer.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC
 */

/** One reported setting. Text is read as UTF-8 whatever the client's encoding; names are ASCII. */
export interface ParameterStatus {
  readonly name: string
  readonly value: string
}

/**
 * String name, String value, each zero-terminated, and nothing after. `null` when the payload is not exactly that.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-PARAMETERSTATUS
 */
export function readParameterStatus(payload: Buffer): ParameterStatus | null {
  const nameEnd = payload.indexOf(0)
  if (nameEnd === -1) return null
  const valueEnd = payload.indexOf(0, nameEnd + 1)
  if (valueEnd === -1 || valueEnd !== payload.length - 1) return null
  return { name: payload.toString('utf8', 0, nameEnd), value: payload.toString('utf8', nameEnd + 1, valueEnd) }
}
