/** What the proxy knew before it was stopped, and the proof that it can go on remembering. Composition layer. */
import type { Logger } from 'pino'
import type { PersistentState } from '../ports.ts'
import { isRaised } from './shared-state.ts'
import { StartError } from './start-error.ts'
import type { StateFile } from './state-file.ts'

/**
 * An unreadable file is a warning and a cold start. Rejects with a StartError when the state cannot be kept. `told`: what
 * the process has on disk that still runs, and writes; the file may be another one, and know a higher epoch.
 */
export async function restoreState(
  stateFile: StateFile,
  logger: Logger,
  told: PersistentState | null = null,
): Promise<PersistentState> {
  const loaded = await stateFile.load()
  if (loaded.kind === 'unreadable') {
    logger.warn(
      { file: stateFile.path, problem: loaded.problem },
      'the state file is unreadable: starting cold, without the memory of the last accepted primary',
    )
  }
  try {
    await stateFile.proveWritable(loaded, { isShared: told !== null })
  } catch (error) {
    throw new StartError(
      `the state file ${stateFile.path} cannot be written: ${(error as Error).message}`,
      'make state_dir a directory that this user can write to: what was accepted must survive a restart',
      error,
    )
  }
  const found = loaded.kind === 'loaded' ? loaded.state : { epoch: null, fenced: [] }
  const restored = told === null ? found : isRaised(told.epoch, found.epoch) ? told : { ...told, epoch: found.epoch }
  if (restored.epoch !== null) logger.info({ epoch: restored.epoch }, 'last accepted primary')
  return restored
}
