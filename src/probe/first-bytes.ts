/**
 * Tells from its first bytes whether an answer to our StartupMessage can be PostgreSQL's. Pure. `pg` believes every
 * type byte and every length: it would wait for the 1.4 GB that "HTTP" announces, and call the end of it a reset.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */

/** Byte1 and Int32 of the first message. */
const HEADER_BYTES = 5

/** Longest first message libpq believes in (its MAX_ERRLEN); authentication requests are far shorter. */
const FIRST_MESSAGE_BYTES_MAX = 30_000

/** Byte1('R') authentication, Byte1('E') error, Byte1('N') notice, Byte1('v') NegotiateProtocolVersion. */
const FIRST_MESSAGE_TYPES: ReadonlySet<number> = new Set(['R', 'E', 'N', 'v'].map((type) => type.charCodeAt(0)))

/**
 * What the bytes so far amount to. `bare-error`: the text of a postmaster that could not fork, which it sends in the
 * form of protocol 2 (Byte1('E'), then a string) because no backend exists to do better.
 */
export type FirstBytes =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'postgres' }
  | { readonly kind: 'bare-error'; readonly message: string }
  | { readonly kind: 'foreign'; readonly sample: string }

/** Judges everything received so far, from the first byte on. The buffer stays the caller's. */
export function judgeFirstBytes(received: Buffer): FirstBytes {
  const type = received[0]
  if (type === undefined) return { kind: 'incomplete' }
  if (!FIRST_MESSAGE_TYPES.has(type)) return { kind: 'foreign', sample: printable(received) }
  if (received.length < HEADER_BYTES) return { kind: 'incomplete' }
  const lengthBytes = received.readUInt32BE(1)
  if (lengthBytes >= 4 && lengthBytes <= FIRST_MESSAGE_BYTES_MAX) return { kind: 'postgres' }
  if (type === 'E'.charCodeAt(0)) return { kind: 'bare-error', message: printable(received.subarray(1)) }
  return { kind: 'foreign', sample: printable(received) }
}

/** The first words of a stranger, fit for a log. */
export function printable(received: Buffer): string {
  return received
    .subarray(0, 80)
    .toString('latin1')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
}
