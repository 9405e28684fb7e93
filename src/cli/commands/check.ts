/**
 * `pgha-proxy check`: is the configuration right, can every node be seen, and what would the daemon decide? Needs no
 * daemon, writes nothing, changes nothing. Command line layer.
 */
import { formatFaults } from '../../config/fault.ts'
import { loadConfigFile } from '../../config/load-file.ts'
import { StateFile } from '../../daemon/state-file.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { findConfigFaults, readBacklogMax } from '../check/config-findings.ts'
import { inOrderOfSeverity } from '../check/finding.ts'
import { findMissingGrants } from '../check/grant-findings.ts'
import { findNodeFaults } from '../check/node-findings.ts'
import { probeCluster } from '../check/probe-cluster.ts'
import { renderReport } from '../check/render-report.ts'
import { findRepmgrFaults } from '../check/repmgr-findings.ts'
import { buildReport } from '../check/report.ts'
import { findServerFaults } from '../check/server-findings.ts'
import { findTlsFindings } from '../check/tls-findings.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { layoutOf } from '../layout.ts'
import { locateConfig } from '../locate-config.ts'
import { formatCount } from '../quantities.ts'
import { findTlsFileFaults, readAdminToken } from '../read-config.ts'
import type { Terminal } from '../terminal.ts'

export interface CheckOptions {
  /** `null`: one of the usual places. */
  readonly config: string | null
  readonly json: boolean
}

export async function check(options: CheckOptions, terminal: Terminal): Promise<ExitCode> {
  const file = await locateConfig(options.config)
  const loaded = await loadConfigFile(file, terminal.environment)
  if (!loaded.ok) {
    if (options.json) terminal.out(`${JSON.stringify({ config: file, faults: loaded.faults }, null, 2)}\n`)
    else terminal.err(`${formatFaults(loaded.faults, file)}\n${formatCount(loaded.faults.length, 'fault')}\n`)
    return EXIT_CODES.usage
  }
  const { config, warnings } = loaded
  const token = await readAdminToken(config)
  if (!token.ok) {
    // The daemon would not start either.
    if (options.json)
      terminal.out(`${JSON.stringify({ config: file, faults: [{ problem: token.problem }] }, null, 2)}\n`)
    else terminal.err(`${file}: ${token.problem}\n`)
    return EXIT_CODES.usage
  }
  const tlsFaults = await findTlsFileFaults(config, systemClock.wallTime())
  if (tlsFaults.length > 0) {
    if (options.json) terminal.out(`${JSON.stringify({ config: file, faults: tlsFaults }, null, 2)}\n`)
    else terminal.err(`${formatFaults(tlsFaults, file)}\n${formatCount(tlsFaults.length, 'fault')}\n`)
    return EXIT_CODES.usage
  }

  const stateFile = new StateFile(config.stateDir)
  const loadedState = await stateFile.load()
  const view = await probeCluster({
    config,
    restored: loadedState.kind === 'loaded' ? loadedState.state : { epoch: null, fenced: [] },
    environment: terminal.environment,
    clock: systemClock,
  })
  const configEvidence = {
    warnings: [...warnings, ...token.warnings],
    hasAdminToken: token.token !== null,
    statePath: stateFile.path,
    loadedState,
    backlogMax: await readBacklogMax(),
  }
  const findings = inOrderOfSeverity([
    ...(await findConfigFaults(config, configEvidence, view)),
    ...(await findTlsFindings(config, view, systemClock)),
    ...findNodeFaults(view, config),
    ...findMissingGrants(view, config),
    ...findRepmgrFaults(view, config),
    ...findServerFaults(view, config),
  ])
  const report = buildReport(file, config, view, findings)
  terminal.out(options.json ? `${JSON.stringify(report, null, 2)}\n` : `${renderReport(report, layoutOf(terminal))}\n`)
  return report.primary === null ? EXIT_CODES.noPrimary : EXIT_CODES.ok
}
