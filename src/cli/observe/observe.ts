/** The end of `pgha-proxy --observe`: by a signal or after its time, with the report. Command line layer. */
import type { Daemon } from '../../daemon/daemon.ts'
import type { Observer } from '../../daemon/observer.ts'
import type { Signals } from '../../daemon/shutdown.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import type { NodeAddress } from '../../topology/observation.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import type { Terminal } from '../terminal.ts'
import { renderObservation } from './render-observation.ts'

export interface ObservingOptions {
  /** `null`: until a signal comes. */
  readonly forMs: number | null
  /** Where the proxy of now leads to the primary; `null`: not asked. */
  readonly compareWith: NodeAddress | null
  /** The report as JSON. */
  readonly json: boolean
}

export interface Observing {
  readonly daemon: Daemon
  readonly observer: Observer
  readonly signals: Signals
}

/** Resolves when it is over. The report goes to standard output, where the log is not. */
export async function observe(
  { daemon, observer, signals }: Observing,
  options: ObservingOptions | null,
  terminal: Terminal,
): Promise<ExitCode> {
  observer.begin()
  let cancel = (): void => undefined
  const timeOver = new Promise<void>((resolve) => {
    const forMs = options?.forMs ?? null
    if (forMs !== null) cancel = systemClock.schedule(forMs, resolve)
  })
  await Promise.race([signals.stop, timeOver])
  cancel()
  const report = observer.report()
  await observer.close()
  await daemon.stop(signals.hurry)
  terminal.out(options?.json === true ? `${JSON.stringify(report)}\n` : renderObservation(report))
  return EXIT_CODES.ok
}
