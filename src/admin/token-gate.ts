/**
 * Who may order and who may not: asks for a token, and counts what is too much. Part of the admin server.
 *
 * Wrong tokens are limited for each address; the right one always works, also from an address that guesses: a neighbour
 * behind the same address must not lock the operator out. What makes guessing hopeless is the length of the token.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../ports.ts'
import { type Answer, problem } from './answer.ts'
import type { OrderName } from './order.ts'
import { type RateLimit, RateWindow } from './rate-window.ts'
import type { AdminRequest } from './routes.ts'

/** From one address. */
export const WRONG_TOKENS = { countMax: 10, windowMs: 60_000 } as const

/** Somebody gave an order, or notified, and had no right to, or too often. */
export interface OrderRefusal {
  readonly name: OrderName | 'notify'
  readonly client: string
  readonly why: 'orders-off' | 'no-token' | 'wrong-token' | 'too-many-wrong-tokens' | 'too-many-orders' | 'malformed'
}

export interface TokenGateOptions {
  readonly clock: Clock
  /** `null`: orders are off. Asked anew for each order. */
  readonly token: () => string | null
  readonly onRefused: (refusal: OrderRefusal) => void
}

/** What is asked of whoever wants something. */
export interface Admission {
  readonly name: OrderRefusal['name']
  /** Whether this token will do, when `configured` is the proxy's. */
  readonly isRight: (given: string, configured: string) => boolean
  /** Of everybody together, with the right token. */
  readonly taken: RateWindow
  readonly limit: RateLimit
}

export class TokenGate {
  readonly #options: TokenGateOptions
  readonly #wrongTokens = new RateWindow(WRONG_TOKENS)

  constructor(options: TokenGateOptions) {
    this.#options = options
  }

  /** What to answer instead; `null`: it may be done. */
  refuse({ authorization, client }: AdminRequest, { name, isRight, taken, limit }: Admission): Answer | null {
    const { clock, token: configured, onRefused } = this.#options
    const token = configured()
    if (token === null) {
      onRefused({ name, client, why: 'orders-off' })
      return problem(403, 'orders are off: set admin.token_file in the configuration')
    }
    const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? ''
    if (!isRight(given, token)) {
      const waitMs = this.#wrongTokens.take(client, clock.now())
      if (waitMs > 0) {
        onRefused({ name, client, why: 'too-many-wrong-tokens' })
        return problem(429, 'too many wrong tokens from this address', retryAfter(waitMs))
      }
      onRefused({ name, client, why: given === '' ? 'no-token' : 'wrong-token' })
      return problem(401, 'the token is missing or wrong', { 'WWW-Authenticate': 'Bearer' })
    }
    const waitMs = taken.take('', clock.now())
    if (waitMs === 0) return null
    onRefused({ name, client, why: 'too-many-orders' })
    return problem(429, `more than ${limit.countMax} of these in a second`, retryAfter(waitMs))
  }

  /** The body says nothing that could be done. */
  malformed(name: OrderRefusal['name'], client: string, statusCode: 400 | 413, sentence: string): Answer {
    this.#options.onRefused({ name, client, why: 'malformed' })
    return problem(statusCode, sentence)
  }
}

/** Compares digests, which are of one length, in constant time: the answer's delay tells nothing of the token. */
export function isSameToken(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  // No token is nobody's token, also when the configured one is empty.
  return given !== '' && timingSafeEqual(digest(given), digest(token))
}

function retryAfter(waitMs: number): Readonly<Record<string, string>> {
  return { 'Retry-After': String(Math.ceil(waitMs / 1000)) }
}
