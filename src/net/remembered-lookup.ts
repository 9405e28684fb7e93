/**
 * Look-ups for the dials of sessions: what a name led to is used again for a moment, as asking the resolver is a sixth of
 * what a new session costs (a name in /etc/hosts), and more where the answer comes by the network. Effect layer. Probes do
 * not share in it: they resolve anew each time, and it is their proof that a session is sent by.
 */
import type { LookupAddress, LookupOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'
import process from 'node:process'
import type { Clock } from '../ports.ts'

/**
 * The system's resolver does not tell how long an answer holds. Shorter than the default of `monitor.decision_ttl`, for
 * which a proof holds: what a session is dialed by is no older than what it is routed by.
 */
export const REMEMBERED_MS = 1_000

export interface RememberedLookupOptions {
  /** Asked when nothing is remembered. */
  readonly lookup: LookupFunction
  readonly clock: Pick<Clock, 'now'>
}

interface Answer {
  readonly addresses: readonly LookupAddress[]
  readonly until: number
}

export class RememberedLookup {
  readonly #options: RememberedLookupOptions
  #answers = new Map<string, Answer>()

  constructor(options: RememberedLookupOptions) {
    this.#options = options
  }

  /** For net.connect, which asks for all addresses when it may try several. A question for one is passed on. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const { lookup, clock } = this.#options
    if (options.all !== true) return lookup(hostname, options, callback)
    const question = questionOf(hostname, options)
    // An answer to what was asked before `forget` is not remembered by those after it.
    const answers = this.#answers
    const known = answers.get(question)
    // Never at once: whoever asks may not have its listeners in place.
    if (known !== undefined && clock.now() < known.until)
      return process.nextTick(() => callback(null, [...known.addresses]))
    const askedAt = clock.now()
    lookup(hostname, options, (error, addresses, family) => {
      if (error === null && Array.isArray(addresses))
        answers.set(question, { addresses, until: askedAt + REMEMBERED_MS })
      callback(error, addresses, family)
    })
  }

  /** For what may mean that a name leads elsewhere: a dial has failed, another server is the primary. */
  forget(): void {
    this.#answers = new Map()
  }
}

function questionOf(hostname: string, { family, hints }: LookupOptions): string {
  return `${hostname} ${family ?? 0} ${hints ?? 0}`
}
