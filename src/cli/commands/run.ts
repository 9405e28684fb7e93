/** `pgha-proxy --config ha.yaml`: runs the daemon until a signal stops it. Command line layer. */
import process from 'node:process'
import { formatFaults } from '../../config/fault.ts'
import { loadConfigFile } from '../../config/load-file.ts'
import { Daemon } from '../../daemon/daemon.ts'
import { handleSignals } from '../../daemon/shutdown.ts'
import { StartError } from '../../daemon/start-error.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { createLogger } from '../../observability/logger.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { readAdminToken, readConfig } from '../read-config.ts'
import type { Terminal } from '../terminal.ts'

export async function run(
  options: { readonly config: string; readonly version: string },
  terminal: Terminal,
): Promise<ExitCode> {
  const config = await readConfig(options.config, terminal)
  if (config === null) return EXIT_CODES.usage
  const token = await readAdminToken(config)
  if (!token.ok) {
    terminal.err(`${options.config}: ${token.problem}\n`)
    return EXIT_CODES.usage
  }
  const logger = await createLogger({
    ...config.log,
    isTerminal: terminal.isInteractive,
    useColor: terminal.useColor,
  })
  logger.info({ version: options.version, config: options.config, pid: process.pid }, 'pgha-proxy starts')
  const daemon = new Daemon({
    config,
    adminToken: token.token,
    environment: terminal.environment,
    clock: systemClock,
    logger,
    version: options.version,
  })
  try {
    await daemon.start()
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    logger.fatal({ problem: error.message, hint: error.hint }, 'cannot start')
    if (!terminal.isInteractive) terminal.err(`pgha-proxy: ${error.message}\n  ${error.hint}\n`)
    return EXIT_CODES.failure
  }

  const reload = async (): Promise<void> => {
    const loaded = await loadConfigFile(options.config, terminal.environment)
    if (!loaded.ok) {
      const faults = formatFaults(loaded.faults, options.config).split('\n')
      logger.error({ faults }, 'the new configuration is faulty: the old one stays in force')
      return
    }
    try {
      await daemon.reload(loaded.config)
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      logger.error({ problem: error.message, hint: error.hint }, 'not reloaded: the old configuration stays in force')
    }
  }
  let reloading: Promise<void> = Promise.resolve()
  await new Promise<void>((resolve, reject) => {
    handleSignals(process, {
      onStop: (signal, hurry) => {
        logger.info({ signal }, 'stop signal: draining; a second one ends at once')
        daemon.stop(hurry).then(resolve, reject)
      },
      onReload: () => {
        reloading = reloading.then(reload)
      },
    })
  })
  return EXIT_CODES.ok
}
