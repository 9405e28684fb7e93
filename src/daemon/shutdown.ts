/**
 * Two-stage signals: the first SIGTERM or SIGINT begins the drain, the second ends it at once, a third is left to the
 * system. SIGHUP reloads. Composition layer.
 */
import type { EventEmitter } from 'node:events'

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const

export interface SignalHandlers {
  /** Called once, with a promise that resolves at the second signal. */
  readonly onStop: (signal: NodeJS.Signals, hurry: Promise<void>) => void
  readonly onReload: () => void
}

/** Listens until the second stop signal. `source` is `process`, or a stand-in. */
export function handleSignals(source: EventEmitter, handlers: SignalHandlers): () => void {
  let hurry: (() => void) | null = null
  const onStop = (signal: NodeJS.Signals): void => {
    if (hurry === null) {
      handlers.onStop(
        signal,
        new Promise((resolve) => {
          hurry = resolve
        }),
      )
      return
    }
    hurry()
    release()
  }
  const release = (): void => {
    for (const signal of STOP_SIGNALS) source.off(signal, onStop)
    source.off('SIGHUP', handlers.onReload)
  }
  for (const signal of STOP_SIGNALS) source.on(signal, onStop)
  source.on('SIGHUP', handlers.onReload)
  return release
}
