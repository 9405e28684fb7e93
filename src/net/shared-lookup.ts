/**
 * DNS lookups for dials and probes: every dial resolves anew, and those that ask for the same name at the same time
 * share one question. Node resolves on a small thread pool that file writes use as well: a dead resolver takes half a
 * minute to give up, and a thousand held sessions that dial an unresolvable name must not keep the epoch from being
 * written. Nothing is cached beyond the answer. Effect layer.
 */
import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions, type LookupOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'

type LookupCallback = Parameters<LookupFunction>[2]

/** One question to the system's resolver. Replaced in tests. */
export type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** A `lookup` for net.connect; give the same one to every dial. */
export function createSharedLookup(resolve: ResolveAll = dnsLookup): LookupFunction {
  const waiting = new Map<string, LookupCallback[]>()

  return (hostname: string, options: LookupOptions, callback: LookupCallback): void => {
    const question = `${hostname} ${JSON.stringify(options)}`
    const others = waiting.get(question)
    if (others !== undefined) {
      others.push(callback)
      return
    }
    waiting.set(question, [callback])
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const callbacks = waiting.get(question) ?? []
      waiting.delete(question)
      for (const answer of callbacks) answerTo(answer, options, error, addresses)
    })
  }
}

function answerTo(
  callback: LookupCallback,
  options: LookupOptions,
  error: NodeJS.ErrnoException | null,
  // Missing when there is an error, whatever the types say.
  addresses: readonly LookupAddress[] | undefined,
): void {
  const [first] = addresses ?? []
  if (error !== null) callback(error, '', 0)
  else if (addresses === undefined || first === undefined) callback(noAddress(), '', 0)
  else if (options.all === true) callback(null, [...addresses])
  else callback(null, first.address, first.family)
}

function noAddress(): NodeJS.ErrnoException {
  return Object.assign(new Error('no address for this name'), { code: 'ENOTFOUND' })
}
