/**
 * Two-stage signals, taken from the first moment on: one that arrives before the daemon can act on it is kept, neither
 * lost nor deadly. The first SIGTERM or SIGINT asks to stop, the second to hurry, a third is left to the system. SIGHUP
 * asks to reload. Composition layer; what stopping and reloading mean is not known here.
 */
import type { EventEmitter } from 'node:events'

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** The signals of this process, as long as somebody has taken them. */
export interface Signals {
  /** Resolves with the first stop signal; never when none comes. */
  readonly stop: Promise<NodeJS.Signals>
  /** Resolves at the second stop signal. The signals are released then. */
  readonly hurry: Promise<void>
  /** Calls `reload` at every SIGHUP from now on, and at once when there was one before. To be called once. */
  readonly onReload: (reload: () => void) => void
  /** Gives them back to the system. Idempotent. */
  readonly release: () => void
}

/** Takes the signals until the second stop signal. `source` is `process`, or a stand-in. */
export function takeSignals(source: EventEmitter): Signals {
  const stop = Promise.withResolvers<NodeJS.Signals>()
  const hurry = Promise.withResolvers<void>()
  let isStopping = false
  let isReloadDue = false
  let reload = (): void => {
    isReloadDue = true
  }
  const onStop = (signal: NodeJS.Signals): void => {
    if (!isStopping) {
      isStopping = true
      stop.resolve(signal)
      return
    }
    hurry.resolve()
    release()
  }
  const onHangUp = (): void => reload()
  const release = (): void => {
    for (const signal of STOP_SIGNALS) source.off(signal, onStop)
    source.off('SIGHUP', onHangUp)
  }
  for (const signal of STOP_SIGNALS) source.on(signal, onStop)
  source.on('SIGHUP', onHangUp)
  return {
    stop: stop.promise,
    hurry: hurry.promise,
    onReload: (handler) => {
      reload = handler
      if (isReloadDue) handler()
    },
    release,
  }
}
