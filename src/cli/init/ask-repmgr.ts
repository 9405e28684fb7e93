/**
 * Asks one node of a cluster for `repmgr.nodes`, for `init`. Effect layer: the daemon's own probe, once. Whatever is in
 * the way comes out as a CliError that says what to do.
 */
import { formatNodeAddress } from '../../config/address.ts'
import { resolveMonitorPassword } from '../../config/monitor-password.ts'
import type { Environment } from '../../config/substitute.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import type { NodeIdentity } from '../../ports.ts'
import { explainMissingGrants } from '../../probe/capabilities.ts'
import { createPgProber } from '../../probe/pg-prober.ts'
import { membersFromRows } from '../../probe/repmgr-nodes.ts'
import { addNames } from '../../topology/describe.ts'
import { CliError } from '../cli-error.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import type { SeedLogin } from './seed-conninfo.ts'

/** Nobody waits for a failover here: rather slow than wrong. */
const TIMEOUT_MS = 5_000

export interface RepmgrCluster {
  /** At least one, the witness included. */
  readonly nodes: readonly NodeIdentity[]
  /** Sentences for the head of the configuration. */
  readonly notes: readonly string[]
}

/** Rejects with a CliError when the rows cannot be had. */
export async function askRepmgr(login: SeedLogin, environment: Environment): Promise<RepmgrCluster> {
  const { address, user, database, sslmode } = login
  const at = formatNodeAddress(address)
  const fail = (message: string, remedy: string): CliError => new CliError(message, remedy, EXIT_CODES.failure)
  const monitor = { user, password: login.password, passwordFile: null, database }
  const password = await resolveMonitorPassword({ monitor, address, environment })
  const prober = createPgProber({
    node: { name: at, address },
    clock: systemClock,
    monitor: {
      user,
      database,
      sslmode,
      timeoutMs: TIMEOUT_MS,
      password: password.kind === 'found' ? password.password : null,
    },
  })
  try {
    const observation = await prober.probe({ fresh: false })
    if (observation.kind === 'failed') {
      throw fail(
        `${at} cannot be asked: ${observation.detail}`,
        'correct --conninfo; the password comes from it, from PGPASSWORD or from ~/.pgpass',
      )
    }
    const { repmgr } = observation.answer
    if (repmgr.kind === 'absent') {
      throw fail(
        `there is no table repmgr.nodes in database ${database} of ${at}`,
        'name the database of repmgr (dbname=...); without repmgr, list the nodes by hand as in ha.example.yaml',
      )
    }
    const { members, withoutAddress } =
      repmgr.kind === 'rows' ? membersFromRows(repmgr.rows) : { members: [], withoutAddress: [] }
    if (members.length === 0) {
      const capabilities = prober.capabilities()
      const grants = capabilities === null ? [] : explainMissingGrants(capabilities, { discovery: true })
      if (grants.length === 0) throw fail(`repmgr.nodes on ${at} has no rows`, 'register the nodes with repmgr first')
      throw fail(
        `the role ${user} may not read repmgr.nodes on ${at}`,
        [
          `run in database ${database} on the primary, or on the witness when it is one:`,
          ...grants.map((grant) => `  ${grant};`),
        ].join('\n'),
      )
    }
    return {
      nodes: members.map(({ name, address: where }) => ({ name, address: where })),
      notes: describe(members, withoutAddress),
    }
  } finally {
    await prober.close()
  }
}

function describe(members: ReturnType<typeof membersFromRows>['members'], withoutAddress: readonly string[]): string[] {
  const witnesses = members.filter(({ type }) => type === 'witness').map(({ name }) => name)
  return [
    'The nodes are those of repmgr.nodes, at the addresses in their conninfo: change those that differ from here.',
    ...(witnesses.length === 0
      ? []
      : [`${addNames(witnesses)}: a witness. It is asked for its evidence, and never gets a session.`]),
    ...(withoutAddress.length === 0
      ? []
      : [`Left out, because their conninfo names no host: ${addNames(withoutAddress)}.`]),
  ]
}
