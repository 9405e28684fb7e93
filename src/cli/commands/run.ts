/** `pgha-proxy --config ha.yaml`: runs the daemon until a signal stops it. Command line layer. */
import process from 'node:process'
import type { Logger } from 'pino'
import { formatFaults } from '../../config/fault.ts'
import { loadConfigFile } from '../../config/load-file.ts'
import { Daemon } from '../../daemon/daemon.ts'
import { inheritedSystemd } from '../../daemon/inheritance.ts'
import { Observer, observedConfig } from '../../daemon/observer.ts'
import { findPredecessor, type Predecessor } from '../../daemon/predecessor.ts'
import type { Signals } from '../../daemon/shutdown.ts'
import { StartError } from '../../daemon/start-error.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { takeSystemdEnvironment } from '../../daemon/systemd-environment.ts'
import { createLogger } from '../../observability/logger.ts'
import { readDescriptorLimit } from '../../workers/descriptor-guard.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { type ObservingOptions, observe } from '../observe/observe.ts'
import { findTlsFileFaults, readAdminToken, readConfig } from '../read-config.ts'
import type { Terminal } from '../terminal.ts'

export interface RunOptions {
  readonly config: string
  readonly version: string
  /** Takes no sessions, and reports in the end; `null`: runs the proxy. */
  readonly observing: ObservingOptions | null
  /** Taken by the caller, before this file was loaded; the caller's to release. */
  readonly signals: Signals
}

interface DaemonRun extends RunOptions {
  readonly predecessor: Predecessor | null
}

interface Running {
  readonly daemon: Daemon
  readonly logger: Logger
  readonly observer: Observer | null
}

export async function run(options: RunOptions, terminal: Terminal): Promise<ExitCode> {
  let predecessor: Predecessor | null
  try {
    predecessor = findPredecessor(process.env, process)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    terminal.err(`pgha-proxy: ${error.message}\n  ${error.hint}\n`)
    return EXIT_CODES.failure
  }
  if (predecessor === null) return await runDaemon({ ...options, predecessor }, terminal)
  const found = predecessor
  // Whoever ordered the upgrade looks into the log of the process that runs.
  const err = (text: string): void => {
    terminal.err(text)
    found.tell({ kind: 'words', text })
  }
  try {
    const exitCode = await runDaemon({ ...options, predecessor }, { ...terminal, err })
    found.tell({ kind: 'ending', exitCode })
    return exitCode
  } finally {
    found.close()
  }
}

async function runDaemon(options: DaemonRun, terminal: Terminal): Promise<ExitCode> {
  const { signals } = options
  // A stop waits for the end of the start: half of a daemon cannot be stopped in good order.
  const started = await Promise.race([start(options, terminal), signals.hurry])
  if (started === undefined) return endBy(await signals.stop, signals)
  if (typeof started === 'number') return started
  const { daemon, logger, observer } = started

  const reload = async (): Promise<boolean> => {
    const loaded = await loadConfigFile(options.config, terminal.environment)
    if (!loaded.ok) {
      const faults = formatFaults(loaded.faults, options.config).split('\n')
      logger.error({ faults }, 'the new configuration is faulty: the old one stays in force')
      return false
    }
    const token = await readAdminToken(loaded.config)
    if (!token.ok) {
      logger.error({ problem: token.problem }, 'the new configuration is faulty: the old one stays in force')
      return false
    }
    for (const { path, problem, expected } of [...token.warnings, ...token.fileWarnings]) {
      logger.warn({ problem: `${path} ${problem}`, hint: expected }, 'the admin token is not safe')
    }
    try {
      await daemon.reload(observer === null ? loaded.config : observedConfig(loaded.config), token.token)
      return true
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      logger.error({ problem: error.message, hint: error.hint }, 'not reloaded: the old configuration stays in force')
      return false
    }
  }
  let reloading: Promise<void> = Promise.resolve()
  signals.onReload(() => {
    reloading = reloading.then(() => daemon.whileReloading(reload))
  })
  if (observer !== null) return await observe({ daemon, observer, signals }, options.observing, terminal)
  signals.onUpgrade(() => void daemon.upgrade())
  await Promise.race([signals.stop, daemon.drained])
  await daemon.stop(signals.hurry)
  return EXIT_CODES.ok
}

/** The running daemon; an exit code when there is none, after it was said why. */
async function start(
  { config: file, version, signals, predecessor, observing }: DaemonRun,
  terminal: Terminal,
): Promise<Running | ExitCode> {
  const config = await readConfig(file, terminal)
  if (config === null) return EXIT_CODES.usage
  const token = await readAdminToken(config)
  if (!token.ok) {
    terminal.err(`${file}: ${token.problem}\n`)
    return EXIT_CODES.usage
  }
  for (const warning of [...token.warnings, ...token.fileWarnings]) terminal.err(`${formatFaults([warning], file)}\n`)
  const tlsFaults = await findTlsFileFaults(config, systemClock.wallTime())
  if (tlsFaults.length > 0) {
    terminal.err(`${formatFaults(tlsFaults, file)}\n`)
    return EXIT_CODES.usage
  }
  const logger = await createLogger({
    ...config.log,
    isTerminal: terminal.isInteractive,
    useColor: terminal.useColor,
    toStandardError: observing !== null,
  })
  logger.info(
    { version, config: file, pid: process.pid, ...(observing === null ? {} : { observing: true }) },
    'pgha-proxy starts',
  )
  void signals.stop.then((signal) => logger.info({ signal }, 'stop signal: draining; a second one ends at once'))
  const parts = { clock: systemClock, logger, config, environment: terminal.environment }
  const observer = observing === null ? null : new Observer({ ...parts, compareWith: observing.compareWith })
  const daemon = new Daemon({
    config: observer === null ? config : observedConfig(config),
    adminToken: token.token,
    environment: terminal.environment,
    clock: systemClock,
    logger,
    version,
    readDescriptorLimit,
    systemd:
      predecessor === null
        ? takeSystemdEnvironment(process.env, process.pid)
        : inheritedSystemd(predecessor.inheritance),
    predecessor,
    ...(observer === null ? {} : { observer }),
  })
  try {
    await daemon.start()
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    logger.fatal({ problem: error.message, hint: error.hint }, 'cannot start')
    if (!terminal.isInteractive || predecessor !== null) terminal.err(`pgha-proxy: ${error.message}\n  ${error.hint}\n`)
    return EXIT_CODES.failure
  }
  return { daemon, logger, observer }
}

/**
 * Ends this process as the signal ends any other: a start that hangs (a disk or a resolver that does not answer) serves
 * nobody yet, and whoever signals twice has waited for it.
 */
function endBy(signal: NodeJS.Signals, signals: Signals): ExitCode {
  signals.release()
  process.kill(process.pid, signal)
  // Reached as PID 1 only, where bin.ts has to do what the system does elsewhere.
  return EXIT_CODES.failure
}
