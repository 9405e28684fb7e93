/**
 * Waiting for something to become true, with an error that tells what was last seen instead.
 * Test support: the only way tests wait. Nothing here sleeps for a fixed time.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'

/** How long to look, how often, and what to look for. */
export interface WaitOptions<T> {
  /** Gives up after this long; default 10 000 ms. A look that hangs is given up as well. */
  readonly timeoutMs?: number
  /** Pause between two looks; default 20 ms. */
  readonly intervalMs?: number
  /** When the value seen is good enough; default: when it is truthy. */
  readonly until?: (seen: T) => boolean
}

/**
 * Looks until what it sees is accepted, and returns that. A look that throws counts as "not yet".
 * Rejects after `timeoutMs` with `description` and the last value or error seen.
 */
export async function waitFor<T>(
  description: string,
  look: () => T | Promise<T>,
  options: WaitOptions<T> = {},
): Promise<T> {
  const { timeoutMs = 10_000, intervalMs = 20, until = Boolean } = options
  const startedAt = performance.now()
  let lastSeen = 'nothing: the first look did not come back'
  const tooLate = (cause?: unknown) =>
    new Error(`waited ${timeoutMs} ms for: ${description}; last seen: ${lastSeen}`, { cause })

  for (;;) {
    const leftMs = timeoutMs - (performance.now() - startedAt)
    if (leftMs <= 0) throw tooLate()
    let lastError: unknown
    try {
      const seen = await within(leftMs, look, tooLate)
      if (until(seen)) return seen
      lastSeen = inspect(seen, { depth: 6, breakLength: Number.POSITIVE_INFINITY })
    } catch (error) {
      lastError = error
      lastSeen = error instanceof Error ? error.message : inspect(error)
    }
    if (performance.now() - startedAt + intervalMs >= timeoutMs) throw tooLate(lastError)
    await delay(intervalMs)
  }
}

async function within<T>(limitMs: number, look: () => T | Promise<T>, tooLate: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate()), limitMs)
  })
  try {
    return await Promise.race([look(), limit])
  } finally {
    clearTimeout(timer)
  }
}
