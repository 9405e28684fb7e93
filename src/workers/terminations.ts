/**
 * How TLS ends on the listeners that terminate it: reads certificates and keys, watches their files, and takes new ones
 * over while sessions run. Composition layer. A new pair that will not do is refused, and the old one stays.
 */
import type { Logger } from 'pino'
import { formatListenerAddress } from '../config/address.ts'
import type { ListenerConfig, TerminatedTls } from '../config/config.ts'
import { readTlsFiles, type TlsFileFault } from '../config/tls-files.ts'
import { StartError } from '../daemon/start-error.ts'
import type { Termination } from '../net/session-environment.ts'
import type { Clock } from '../ports.ts'
import { TerminatedListener } from './terminated-listener.ts'

/** How often the files are looked at. A change counts when it has stood for as long: files are written one by one. */
export const WATCH_INTERVAL_MS = 1_000

export interface TerminationsOptions {
  readonly clock: Clock
  readonly logger: Logger
}

export class Terminations {
  readonly #options: TerminationsOptions
  #byAddress: ReadonlyMap<string, TerminatedListener> = new Map()
  #cancelWatch: (() => void) | null = null

  constructor(options: TerminationsOptions) {
    this.#options = options
  }

  /**
   * Reads the files of all listeners. The returned function takes them over; until then nothing is changed. Rejects with
   * a StartError when one of them will not do.
   */
  async prepare(listeners: readonly ListenerConfig[]): Promise<() => void> {
    const prepared = new Map<string, TerminatedListener>()
    for (const [index, { address, tls }] of listeners.entries()) {
      if (tls.mode !== 'terminate') continue
      const key = formatListenerAddress(address)
      prepared.set(key, await this.#open(key, tls, index))
    }
    return () => {
      this.#byAddress = prepared
      for (const [listener, { notAfter }] of prepared) {
        this.#options.logger.info({ listener, notAfter: notAfter?.toISOString() }, 'certificate taken')
      }
      this.#watch()
    }
  }

  /** For the sessions of this listener; `null` when its TLS does not end here. */
  of({ address }: ListenerConfig): Termination | null {
    return this.#byAddress.get(formatListenerAddress(address))?.termination ?? null
  }

  close(): void {
    this.#cancelWatch?.()
    this.#cancelWatch = null
    this.#byAddress = new Map()
  }

  async #open(key: string, tls: TerminatedTls, index: number): Promise<TerminatedListener> {
    const listener = new TerminatedListener(tls)
    const { clock, logger } = this.#options
    const files = await listener.load(() => readTlsFiles(tls, clock.wallTime()))
    if (!files.ok) {
      const [first] = files.faults
      throw new StartError(`listeners[${index}].tls.${first?.setting}: ${first?.problem}`, first?.expected ?? '', null)
    }
    for (const fault of files.material.warnings) logger.warn({ listener: key, ...inWords(fault) }, 'TLS files')
    return listener
  }

  #watch(): void {
    this.#cancelWatch?.()
    this.#cancelWatch = null
    if (this.#byAddress.size === 0) return
    this.#cancelWatch = this.#options.clock.schedule(WATCH_INTERVAL_MS, () => {
      this.#cancelWatch = null
      void this.#look()
    })
  }

  async #look(): Promise<void> {
    const { clock, logger } = this.#options
    const looked = this.#byAddress
    for (const [key, listener] of looked) {
      if (!(await listener.hasNewFiles())) continue
      const files = await listener.load(() => readTlsFiles(listener.tls, clock.wallTime()))
      if (looked !== this.#byAddress) return
      if (files.ok) {
        const notAfter = files.material.notAfter.toISOString()
        logger.info({ listener: key, notAfter }, 'certificate renewed: for new sessions; those that run go on')
        for (const fault of files.material.warnings) logger.warn({ listener: key, ...inWords(fault) }, 'TLS files')
      } else {
        const faults = files.faults.map((fault) => inWords(fault).problem)
        logger.error({ listener: key, faults }, 'the new certificate will not do: the old one stays')
      }
    }
    if (looked === this.#byAddress) this.#watch()
  }
}

function inWords({ setting, problem, expected }: TlsFileFault): {
  readonly problem: string
  readonly expected: string
} {
  return { problem: `tls.${setting}: ${problem}`, expected }
}
