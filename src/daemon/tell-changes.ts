/** What a reload has changed and what it could not, for the log. Composition layer. */
import type { Logger } from 'pino'
import type { Changes } from './describe-changes.ts'

export function tellChanges(logger: Logger, { live, afterRestart }: Changes): void {
  logger.info(
    { changed: live },
    live.length === 0 ? 'configuration reloaded: nothing changed' : 'configuration reloaded',
  )
  const hint = 'an upgrade (SIGUSR2) takes them over as well, and ends no session'
  if (afterRestart.length > 0) logger.warn({ changed: afterRestart, hint }, 'these changes need a restart')
}
