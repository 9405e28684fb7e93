/** Where the configuration and `repmgr.nodes` do not say the same. Pure. */
import { formatNodeAddress } from '../../config/address.ts'
import type { Config } from '../../config/config.ts'
import type { NodeIdentity } from '../../ports.ts'
import type { NodeEvidence } from '../../topology/evidence.ts'
import { findMember } from '../../topology/members.ts'
import type { RepmgrNodeRow } from '../../topology/observation.ts'
import type { Finding } from './finding.ts'
import type { ClusterView } from './probe-cluster.ts'

export function findRepmgrFaults(view: ClusterView, config: Config): Finding[] {
  if (config.discovery === 'none') return []
  const rows = readRows(view)
  if (rows === null) return findAbsence(view, config)
  return [
    ...config.nodes.flatMap((node) => findFaultsOfNode(node, rows, view, config)),
    ...findRowsWithoutAddress(rows, view),
  ]
}

/** The primary's rows; any other node's while there is none. `null` when nobody shows any. */
function readRows({ evidence, decision, members }: ClusterView): readonly RepmgrNodeRow[] | null {
  const names = [...(decision.primary === null ? [] : [decision.primary]), ...members.map(({ name }) => name)]
  for (const name of names) {
    const repmgr = evidence.get(name)?.lastAnswer?.answer.repmgr
    if (repmgr?.kind === 'rows') return repmgr.rows
  }
  return null
}

function findAbsence({ evidence }: ClusterView, { monitor }: Config): Finding[] {
  const kinds = [...evidence.values()].flatMap(({ lastAnswer }) => lastAnswer?.answer.repmgr.kind ?? [])
  // Denied: the GRANTs tell. Nobody answered: nobody can say.
  if (kinds.length === 0 || kinds.includes('denied')) return []
  return [
    {
      severity: 'note',
      code: 'no-repmgr',
      nodes: [],
      message: `there is no table repmgr.nodes in database ${monitor.database}: the nodes of the configuration are all there are, and recovery and timeline alone decide`,
      remedy: 'set monitor.database to the one with the schema repmgr; without repmgr, set discovery: none',
      statements: [],
    },
  ]
}

function findFaultsOfNode(
  node: NodeIdentity,
  rows: readonly RepmgrNodeRow[],
  { evidence }: ClusterView,
  config: Config,
): Finding[] {
  const row =
    rows.find((each) => findMember(each, config.nodes, evidence) === node) ??
    rows.find((each) => isSameServer(evidence.get(each.nodeName), evidence.get(node.name)))
  if (row === undefined) {
    const known = rows.map(({ nodeName, address }) => {
      return address === null ? nodeName : `${nodeName} (${formatNodeAddress(address)})`
    })
    return [
      {
        severity: 'warning',
        code: 'unknown-to-repmgr',
        nodes: [node.name],
        message: `repmgr.nodes has no row for ${node.name} at ${formatNodeAddress(node.address)}: it has ${known.length === 0 ? 'no rows at all' : known.join(', ')}`,
        remedy: 'correct its name or address in nodes, or register it there (repmgr standby register)',
        statements: [],
      },
    ]
  }
  if (row.nodeName === node.name) return []
  return [
    {
      severity: 'warning',
      code: 'name-differs',
      nodes: [node.name],
      message: `${node.name} is ${row.nodeName} in repmgr.nodes`,
      remedy: `give it that name in nodes, so that log, status and repmgr speak of the same:`,
      statements: [`- { name: ${row.nodeName}, address: ${formatNodeAddress(node.address)} }`],
    },
  ]
}

/** Two addresses that lead to one server: NAT, or two names. */
function isSameServer(a: NodeEvidence | undefined, b: NodeEvidence | undefined): boolean {
  const [one, other] = [a?.lastAnswer?.answer, b?.lastAnswer?.answer]
  if (one === undefined || other === undefined) return false
  return one.systemIdentifier === other.systemIdentifier && one.postmasterStartedAt === other.postmasterStartedAt
}

function findRowsWithoutAddress(
  rows: readonly RepmgrNodeRow[],
  { members, evidence, capabilities }: ClusterView,
): Finding[] {
  const readsConninfo = [...capabilities.values()].some(({ repmgr }) => repmgr.kind === 'readable' && repmgr.conninfo)
  // Nobody may read conninfo: the GRANTs tell.
  if (!readsConninfo) return []
  return rows
    .filter((row) => row.address === null && findMember(row, members, evidence) === null)
    .map(({ nodeName }) => ({
      severity: 'warning',
      code: 'conninfo-without-host',
      nodes: [nodeName],
      message: `${nodeName} stands in repmgr.nodes, and its conninfo names no host: it is not observed`,
      remedy: 'register it again with a host in its conninfo, or add it to nodes:',
      statements: [`- { name: ${nodeName}, address: HOST:PORT }`],
    }))
}
