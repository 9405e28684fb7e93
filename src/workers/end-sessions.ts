/**
 * The end of all sessions when the proxy stops: time to finish, then last words, then the sockets. Composition layer.
 * Probes and fencing go on meanwhile; that nobody new comes is the caller's to see to.
 */
import type { SessionRegistry } from '../net/session-registry.ts'
import type { Clock } from '../ports.ts'

/** How long the last words of all sessions may take to leave, at the very end. */
export const FAREWELL_MS = 2_000

export interface EndSessionsOptions {
  readonly registry: SessionRegistry
  readonly clock: Clock
  readonly graceMs: number
  /** Resolves when the time is over before it is. */
  readonly hurry: Promise<void>
}

/** Resolves when no session is left, to how many had not ended by themselves. */
export async function endSessions({ registry, clock, graceMs, hurry }: EndSessionsOptions): Promise<number> {
  await emptied(graceMs)
  const left = registry.all()
  for (const session of left) session.stop()
  await emptied(FAREWELL_MS)
  for (const session of registry.all()) session.destroy()
  return left.length

  async function emptied(withinMs: number): Promise<void> {
    let cancelTimer = (): void => undefined
    const timeOver = new Promise<void>((resolve) => {
      cancelTimer = clock.schedule(withinMs, resolve)
    })
    await Promise.race([registry.whenEmpty(), timeOver, hurry])
    cancelTimer()
  }
}
