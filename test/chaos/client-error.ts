/**
 * Errors of `pg` and of sockets as the history has them. Test support, pure.
 */
import { type ClientError, GAVE_UP } from './history.ts'

/** Long enough for every word of PostgreSQL and of the proxy. */
const TEXT_LENGTH_MAX = 500

/** The client's own patience is over. */
export function gaveUp(why: string): Error {
  return Object.assign(new Error(why), { code: GAVE_UP })
}

/** The fields of an ErrorResponse, or of an error of Node. Whatever is thrown gives one. */
export function describeError(error: unknown): ClientError {
  const { code, severity, message, detail } = (error ?? {}) as Readonly<Record<string, unknown>>
  return { code: text(code), severity: text(severity), message: text(message) ?? String(error), detail: text(detail) }
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value.slice(0, TEXT_LENGTH_MAX) : null
}
