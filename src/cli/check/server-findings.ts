/** Settings of the servers that only hurt on the day of a failover. Pure. */
import type { Config } from '../../config/config.ts'
import { addNames } from '../../topology/describe.ts'
import { formatAge } from '../quantities.ts'
import type { Finding } from './finding.ts'
import type { NodeFacts } from './node-facts.ts'
import type { ClusterView } from './probe-cluster.ts'

/** Above that, times in the logs of proxy and servers no longer tell what came first. */
const CLOCK_DIFFERENCE_MAX_MS = 2_000
/** From this version on a server says at login whether it is in recovery (`in_hot_standby`). */
const LOGIN_CHECK_VERSION_MIN = 140_000

export function findServerFaults(view: ClusterView, config: Config): Finding[] {
  const facts: [string, NodeFacts][] = []
  const unread: Finding[] = []
  for (const [name, result] of view.facts) {
    if (result.ok) facts.push([name, result.facts])
    else unread.push(describeUnread(name, result.problem))
  }
  return [
    ...findMissingRewind(facts.filter(([name]) => !isWitness(name, view))),
    ...findClockDifferences(facts),
    ...findNarrowServer(facts, view, config),
    ...findOldServers(view),
    ...unread,
  ]
}

function isWitness(name: string, { decision }: ClusterView): boolean {
  return decision.nodes.get(name)?.role === 'witness'
}

function findMissingRewind(facts: readonly (readonly [string, NodeFacts])[]): Finding[] {
  const names = facts
    .filter(([, { walLogHints, dataChecksums }]) => !walLogHints && !dataChecksums)
    .map(([name]) => name)
  if (names.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'no-rewind',
      nodes: names,
      message: `pg_rewind cannot work on ${addNames(names)}: wal_log_hints is off, and there are no data checksums. After a failover the old primary can only come back as a full copy`,
      remedy: 'set it in postgresql.conf on every node, and restart them:',
      statements: ['wal_log_hints = on'],
    },
  ]
}

function findClockDifferences(facts: readonly (readonly [string, NodeFacts])[]): Finding[] {
  return facts
    .filter(([, { clockAheadMs }]) => Math.abs(clockAheadMs) > CLOCK_DIFFERENCE_MAX_MS)
    .map(([name, { clockAheadMs }]) => ({
      severity: 'warning',
      code: 'clock',
      nodes: [name],
      message: `the clock of ${name} is ${formatAge(Math.abs(clockAheadMs))} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} this machine's`,
      remedy:
        'let both take their time from NTP (chronyc tracking shows whether they do); no decision depends on it, reading logs does',
      statements: [],
    }))
}

function findNarrowServer(
  facts: readonly (readonly [string, NodeFacts])[],
  view: ClusterView,
  { limits }: Config,
): Finding[] {
  const { primary } = view.decision
  const [name, known] = facts.find(([each]) => each === primary) ?? []
  if (name === undefined || known === undefined) return []
  const places = known.maxConnections - known.reservedConnections
  if (places >= limits.maxSessions) return []
  return [
    {
      severity: 'note',
      code: 'max-connections',
      nodes: [name],
      message: `${name} takes ${places} sessions at once, limits.max_sessions is ${limits.maxSessions}: those beyond get "too many clients" from the server`,
      remedy:
        'raise max_connections on every node, put a pooler such as PgBouncer in front, or lower limits.max_sessions',
      statements: [],
    },
  ]
}

function findOldServers({ capabilities }: ClusterView): Finding[] {
  const names = [...capabilities]
    .filter(([, { serverVersion }]) => serverVersion < LOGIN_CHECK_VERSION_MIN)
    .map(([name]) => name)
  if (names.length === 0) return []
  return [
    {
      severity: 'note',
      code: 'no-login-check',
      nodes: names,
      message: `${addNames(names)} run${names.length === 1 ? 's' : ''} PostgreSQL 13 or older, which does not say at login whether it is in recovery: one of the three guards against a wrong node is missing`,
      remedy: 'upgrade to PostgreSQL 14 or newer when you can; routing by proof and ending sessions on proof remain',
      statements: [],
    },
  ]
}

function describeUnread(name: string, problem: string): Finding {
  return {
    severity: 'note',
    code: 'settings-unread',
    nodes: [name],
    message: `the settings of ${name} could not be asked for: ${problem}`,
    remedy: 'run check again; it takes one more connection than the probe',
    statements: [],
  }
}
