/** What the configuration and the files that it names leave to be desired. Looks at file modes, reads no secret. */
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { ConfigFault } from '../../config/fault.ts'
import type { LoadedState } from '../../daemon/state-file.ts'
import { BACKLOG } from '../../net/listener.ts'
import type { Finding } from './finding.ts'
import type { ClusterView } from './probe-cluster.ts'

const OTHERS = 0o007
const OTHERS_WRITE = 0o002

export interface ConfigEvidence {
  readonly warnings: readonly ConfigFault[]
  readonly hasAdminToken: boolean
  readonly statePath: string
  readonly loadedState: LoadedState
  /** Connections that the kernel keeps for a listener to accept, at most; `null` when that is not known. */
  readonly backlogMax: number | null
}

export async function findConfigFaults(
  config: Config,
  { warnings, hasAdminToken, statePath, loadedState, backlogMax }: ConfigEvidence,
  { passwordProblems }: Pick<ClusterView, 'passwordProblems'>,
): Promise<Finding[]> {
  const findings: Finding[] = []
  const add = (
    severity: Finding['severity'],
    code: string,
    message: string,
    remedy: string,
    statements: string[] = [],
  ) => findings.push({ severity, code, nodes: [], message, remedy, statements })

  for (const problem of new Set(passwordProblems.values())) {
    add(
      'problem',
      'password',
      problem,
      'put it right for the user that runs the proxy; monitor.password_file and ~/.pgpass want mode 0600',
    )
  }
  for (const [setting, file] of [
    ['monitor.password_file', config.monitor.passwordFile],
    ['admin.token_file', config.admin?.tokenFile ?? null],
  ] as const) {
    if (file === null || !(await isOpenToOthers(file))) continue
    add(
      'warning',
      'secret-readable',
      `${setting} ${file} can be read by every user of this machine`,
      'take that away:',
      [`chmod o-rwx ${file}`],
    )
  }
  const stateFolder = dirname(statePath)
  if (await isOpenToOthers(stateFolder, OTHERS_WRITE)) {
    add(
      'warning',
      'state-writable',
      `state_dir ${stateFolder} can be written to by every user of this machine: its file says which primary is believed`,
      'take that away:',
      [`chmod o-rwx ${stateFolder}`],
    )
  }
  if (loadedState.kind === 'unreadable') {
    add(
      'warning',
      'state-unreadable',
      `the state file ${statePath} cannot be read (${loadedState.problem}): this was decided without the memory of the last accepted primary`,
      'run check as the user that runs the proxy',
    )
  }
  if (backlogMax !== null && backlogMax < BACKLOG) {
    add(
      'warning',
      'short-backlog',
      `the kernel keeps ${backlogMax} connections for the proxy to accept: when more clients than that reconnect at once, after a failover, the others are late by a second or more`,
      `raise it, here and in /etc/sysctl.d; in a container it is the container's own (docker run --sysctl):`,
      [`sysctl -w net.core.somaxconn=${BACKLOG}`],
    )
  }
  for (const { path, problem, expected } of warnings) {
    add(
      'warning',
      'configuration',
      `${path} ${problem}`,
      expected === null ? 'change it if it is not meant' : `better: ${expected}`,
    )
  }
  if (config.admin !== null && !hasAdminToken) {
    add(
      'note',
      'no-admin-token',
      'there is no admin token: fence, unfence, accept, drain and probe are off',
      'make one, and name it in admin.token_file:',
      ['(umask 077; openssl rand -hex 32 > /etc/pgha-proxy/token)'],
    )
  }
  return findings
}

/** What listen(2) is cut down to: net.core.somaxconn. `null` where there is none. */
export async function readBacklogMax(): Promise<number | null> {
  try {
    return Number(await readFile('/proc/sys/net/core/somaxconn', 'utf8'))
  } catch {
    return null
  }
}

async function isOpenToOthers(file: string, bits = OTHERS): Promise<boolean> {
  try {
    const { mode } = await stat(file)
    return (mode & bits) !== 0
  } catch {
    // Whether it is there at all is told by whoever reads it.
    return false
  }
}
