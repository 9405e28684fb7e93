/**
 * Name resolution that never runs twice at once. Effect layer. It caches nothing: each answer is given to those who
 * wait for it, and the next dial asks again.
 *
 * getaddrinfo blocks one of the four threads that file writes need too. A probe gives up after a second, a dead
 * resolver after half a minute: without this, the abandoned look-ups of a few nodes would stop every fsync.
 */
import { promises as dns, type LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'

/** A `lookup` for sockets to one host; `onResolved` tells that the caller's look-up came back with addresses. */
export type SharedLookup = (onResolved: () => void) => LookupFunction

/** One per node: look-ups of the same prober share, those of different nodes never wait for each other. */
export function createSharedLookup(): SharedLookup {
  let inFlight: { readonly hostname: string; readonly addresses: Promise<LookupAddress[]> } | null = null

  const resolve = (hostname: string): Promise<LookupAddress[]> => {
    if (inFlight?.hostname === hostname) return inFlight.addresses
    const addresses = dns.lookup(hostname, { all: true }).finally(() => {
      if (inFlight?.addresses === addresses) inFlight = null
    })
    inFlight = { hostname, addresses }
    return addresses
  }

  return (onResolved) => (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const [first] = addresses
        if (first === undefined) {
          const error = Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' })
          return callback(error, [])
        }
        onResolved()
        if (options.all === true) callback(null, addresses)
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, []),
    )
  }
}
