/**
 * Two-stage signals, taken from the first moment on: one that arrives before the daemon can act on it is kept, neither
 * lost nor deadly. The first SIGTERM or SIGINT asks to stop, the second to hurry, a third is left to the system. SIGHUP
 * asks to reload, SIGUSR2 to hand over to a new process. Composition layer; what these mean is not known here.
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
  /** The same for SIGUSR2. */
  readonly onUpgrade: (upgrade: () => void) => void
  /** Gives them back to the system. Idempotent. */
  readonly release: () => void
}

/** Takes the signals until the second stop signal. `source` is `process`, or a stand-in. */
export function takeSignals(source: EventEmitter): Signals {
  const stop = Promise.withResolvers<NodeJS.Signals>()
  const hurry = Promise.withResolvers<void>()
  let isStopping = false
  const reload = new KeptOrder(source, 'SIGHUP')
  const upgrade = new KeptOrder(source, 'SIGUSR2')
  const onStop = (signal: NodeJS.Signals): void => {
    if (!isStopping) {
      isStopping = true
      stop.resolve(signal)
      return
    }
    hurry.resolve()
    release()
  }
  const release = (): void => {
    for (const signal of STOP_SIGNALS) source.off(signal, onStop)
    reload.release()
    upgrade.release()
  }
  for (const signal of STOP_SIGNALS) source.on(signal, onStop)
  return {
    stop: stop.promise,
    hurry: hurry.promise,
    onReload: (handler) => reload.take(handler),
    onUpgrade: (handler) => upgrade.take(handler),
    release,
  }
}

/** A signal that means an order; one that comes before anybody takes it is kept. */
class KeptOrder {
  readonly #source: EventEmitter
  readonly #signal: NodeJS.Signals
  readonly #onSignal = (): void => this.#handler()
  #isDue = false
  #handler = (): void => {
    this.#isDue = true
  }

  constructor(source: EventEmitter, signal: NodeJS.Signals) {
    this.#source = source
    this.#signal = signal
    source.on(signal, this.#onSignal)
  }

  take(handler: () => void): void {
    this.#handler = handler
    if (this.#isDue) handler()
  }

  release(): void {
    this.#source.off(this.#signal, this.#onSignal)
  }
}
