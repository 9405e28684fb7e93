/**
 * Who is probed: the configured nodes, plus those that repmgr's rows name. Rows only ever add somebody to look at; what
 * is seen there decides. Pure: rows and evidence in, members out.
 */
import type { NodeEvidence } from './evidence.ts'
import type { RepmgrNodeRow } from './observation.ts'
import { isSameAddress, type Member } from './standing.ts'
import type { Epoch } from './topology-state.ts'

/** Nodes beside the configured ones. Each is dialled again and again, and whoever writes the rows says where. */
export const DISCOVERED_MAX = 64

/** A row is a member's when repmgr's name, its address, or the node's own word (`get_local_node_id()`) says so. */
export function findMember(
  row: RepmgrNodeRow,
  members: readonly Member[],
  evidence: ReadonlyMap<string, NodeEvidence>,
): Member | null {
  return (
    members.find((member) => localNodeId(evidence.get(member.name)) === row.nodeId) ??
    members.find((member) => member.name === row.nodeName) ??
    members.find((member) => row.address !== null && isSameAddress(row.address, member.address)) ??
    null
  )
}

/** Rows of nobody whom we probe. */
export function unmatchedRows(
  rows: readonly RepmgrNodeRow[],
  members: readonly Member[],
  evidence: ReadonlyMap<string, NodeEvidence>,
): RepmgrNodeRow[] {
  return rows.filter((row) => findMember(row, members, evidence) === null)
}

/** The active primary by the node's own rows, under our name for it where we have one; `null` without rows or without one. */
export function primaryNamedBy(
  node: string,
  { members, evidence }: { readonly members: readonly Member[]; readonly evidence: ReadonlyMap<string, NodeEvidence> },
): string | null {
  const repmgr = evidence.get(node)?.lastAnswer?.answer.repmgr
  if (repmgr?.kind !== 'rows') return null
  const row = repmgr.rows.find(({ type, active }) => type === 'primary' && active)
  return row === undefined ? null : (findMember(row, members, evidence)?.name ?? row.nodeName)
}

function localNodeId(evidence: NodeEvidence | undefined): number | null {
  const repmgr = evidence?.lastAnswer?.answer.repmgr
  return repmgr?.kind === 'rows' ? repmgr.localNodeId : null
}

/**
 * The members after a look at the rows. The accepted primary's rows add and remove discovered nodes; while there is no
 * primary everybody's rows may add one, and none is removed. A configured node stays whatever the rows say. `primary` is
 * the accepted one while it serves; what it says next may show that it is none any more, and then its rows remove nobody.
 * No more than `DISCOVERED_MAX` are added, whatever the rows say.
 *
 * A discovered address that leads to the same running server as another member's (NAT, two names) is left out: one
 * server seen twice would look like two primaries on one timeline.
 */
export function discoverMembers(
  configured: readonly Member[],
  current: readonly Member[],
  evidence: ReadonlyMap<string, NodeEvidence>,
  primary: Pick<Epoch, 'node' | 'systemIdentifier'> | null,
): Member[] {
  const primaryRows = primary === null ? null : rowsOfPrimary(primary, evidence.get(primary.node))
  const sources =
    primaryRows !== null ? [primaryRows] : current.map((member) => rowsOf(evidence.get(member.name)) ?? [])
  const isConfigured = new Set(configured.map((member) => member.name))
  const members: Member[] = [...configured]
  if (primaryRows === null) members.push(...current.filter((member) => !isConfigured.has(member.name)))
  for (const row of sources.flat()) {
    if (members.length - configured.length >= DISCOVERED_MAX) break
    if (row.address === null || findMember(row, members, evidence) !== null) continue
    members.push(current.find((member) => member.name === row.nodeName) ?? { name: row.nodeName, address: row.address })
  }
  return withoutAliases(members, isConfigured, evidence)
}

function rowsOf(evidence: NodeEvidence | undefined): readonly RepmgrNodeRow[] | null {
  // Rows of a node that no longer answers are an old opinion.
  if (evidence === undefined || evidence.failing !== null) return null
  const repmgr = evidence.lastAnswer?.answer.repmgr
  return repmgr?.kind === 'rows' ? repmgr.rows : null
}

function rowsOfPrimary(
  { systemIdentifier }: Pick<Epoch, 'systemIdentifier'>,
  evidence: NodeEvidence | undefined,
): readonly RepmgrNodeRow[] | null {
  const answer = evidence?.lastAnswer?.answer
  return answer?.systemIdentifier === systemIdentifier && !answer.inRecovery ? rowsOf(evidence) : null
}

function withoutAliases(
  members: readonly Member[],
  isConfigured: ReadonlySet<string>,
  evidence: ReadonlyMap<string, NodeEvidence>,
): Member[] {
  const servers = new Set<string>()
  for (const member of members) {
    if (isConfigured.has(member.name)) servers.add(serverOf(evidence.get(member.name)) ?? '')
  }
  return members.filter((member) => {
    if (isConfigured.has(member.name)) return true
    const server = serverOf(evidence.get(member.name))
    return server === null || !servers.has(server)
  })
}

/** Names one running server: the cluster's identifier and the moment the postmaster started, to the microsecond. */
function serverOf(evidence: NodeEvidence | undefined): string | null {
  const answer = evidence?.lastAnswer?.answer
  return answer === undefined ? null : `${answer.systemIdentifier}/${answer.postmasterStartedAt}`
}
