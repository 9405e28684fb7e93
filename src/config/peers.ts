/**
 * Who may speak for others, as written in the config: an address, a network (`10.0.0.0/8`, `2001:db8::/32`), or `unix`.
 * Pure: no name is resolved here, as names may be given to anybody.
 */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import type { Reading } from './reading.ts'

/** Comes out in canonical form; a network keeps the bits beyond its prefix, which count for nothing. */
export function readPeers(text: string): Reading<string> {
  if (text === 'unix') return { ok: true, value: text }
  const [address = '', prefix, ...others] = text.split('/')
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) && !address.includes('%') ? 'ipv6' : null
  if (family === null || others.length > 0) return { ok: false, problem: 'is no address or network', suggestion: null }
  const canonical = new SocketAddress({ address, family }).address
  if (prefix === undefined) return { ok: true, value: canonical }
  const bitsMax = family === 'ipv4' ? 32 : 128
  if (!/^(0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bitsMax) {
    return { ok: false, problem: `has no prefix of 0 to ${bitsMax} bits`, suggestion: null }
  }
  return { ok: true, value: `${canonical}/${prefix}` }
}
