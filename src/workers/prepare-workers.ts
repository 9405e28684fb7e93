/**
 * A reload in all workers, in two steps: first each reads what the new configuration names, then each takes it over. When
 * one cannot, none does. Composition layer.
 */
import { StartError } from '../daemon/start-error.ts'
import type { Fault } from './messages.ts'
import type { HostedConfig } from './session-settings.ts'
import type { WorkerProcess } from './worker-process.ts'

/** To read certificates. */
const PREPARE_MS = 10_000

export interface PrepareWorkersOptions {
  readonly workers: () => readonly WorkerProcess[]
  /** Each has its share of the limits. */
  readonly configOf: (worker: number) => HostedConfig
}

/**
 * Resolves when all have what they need; the returned function has them take it over, under the number of that
 * configuration. Rejects with a StartError when it will not do.
 */
export async function prepareWorkers({ workers, configOf }: PrepareWorkersOptions): Promise<(version: number) => void> {
  const asked = workers()
  const prepareOne = async (worker: WorkerProcess): Promise<void> => {
    const fault = await prepare(worker, configOf(worker.worker))
    // One that has ended meanwhile is replaced by one that begins with what holds then.
    if (fault !== null && workers().includes(worker)) throw new StartError(fault.message, fault.hint, null)
  }
  await Promise.all(asked.map(prepareOne))
  return (version) => {
    for (const worker of workers()) {
      if (asked.includes(worker)) worker.tell({ kind: 'commit', version })
      else void catchUp(worker, configOf(worker.worker), version)
    }
  }
}

/** For one that has started with the configuration before: it takes this one, or is replaced. */
export async function catchUp(worker: WorkerProcess, config: HostedConfig, version: number): Promise<void> {
  if ((await prepare(worker, config)) === null) worker.tell({ kind: 'commit', version })
  else worker.kill()
}

/** `null`: it could. */
async function prepare(worker: WorkerProcess, config: HostedConfig): Promise<Fault | null> {
  const answer = await worker.ask({ kind: 'prepare', config }, PREPARE_MS)
  if (answer?.kind === 'prepared') return answer.fault
  return { message: `worker ${worker.worker} does not answer`, hint: 'try again; the log may say more' }
}
