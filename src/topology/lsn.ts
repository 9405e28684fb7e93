/**
 * Log sequence numbers: byte positions in the write-ahead log, printed `X/Y` in hexadecimal.
 *
 * LSNs of different timelines are never compared: the same number means other bytes there.
 *
 * @see https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */

/** A byte position in the WAL of one timeline, 0 to 2^64 - 1. */
export type Lsn = bigint & { readonly __lsn: unique symbol }

const LSN_PATTERN = /^([0-9a-f]{1,8})\/([0-9a-f]{1,8})$/i

/** Reads `X/Y`. `null` when the text is not an LSN. */
export function parseLsn(text: string): Lsn | null {
  const match = LSN_PATTERN.exec(text)
  if (match === null) return null
  const [, high = '', low = ''] = match
  return ((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)) as Lsn
}

/** Prints `X/Y` as PostgreSQL does: upper case, no leading zeros. */
export function formatLsn(lsn: Lsn): string {
  const high = (lsn >> 32n).toString(16)
  const low = (lsn & 0xffff_ffffn).toString(16)
  return `${high}/${low}`.toUpperCase()
}

/** Bytes that `behind` lacks to reach `ahead`, both on one timeline; 0 when it is not behind. */
export function lsnDistanceBytes(ahead: Lsn, behind: Lsn): number {
  return ahead > behind ? Number(ahead - behind) : 0
}
