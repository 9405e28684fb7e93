/**
 * A witness whose own rows the monitoring role may not read, since a witness needs grants of its own: it is known by the
 * rows of the others. Pure. Without this its system identifier would make it a foreign cluster, and a cold start would
 * hold for ever.
 */
import type { NodeEvidence } from './evidence.ts'
import { findMember } from './members.ts'
import type { Member } from './standing.ts'

/**
 * What is missing on it when `member` is such a witness, `null` when it is not: out of recovery, its rows denied, and a
 * witness by the rows of a member of another system identifier, the pinned one where there is one. Being a witness only
 * ever takes a claim away from it.
 */
export function findUnreadWitness(
  member: Member,
  members: readonly Member[],
  evidence: ReadonlyMap<string, NodeEvidence>,
  pinnedSystemIdentifier: string | null,
): string | null {
  const answer = evidence.get(member.name)?.lastAnswer?.answer
  if (answer === undefined || answer.inRecovery || answer.repmgr.kind !== 'denied') return null
  const isNamed = members.some((other) => {
    const said = evidence.get(other.name)?.lastAnswer?.answer
    if (said?.repmgr.kind !== 'rows' || said.systemIdentifier === answer.systemIdentifier) return false
    if (pinnedSystemIdentifier !== null && said.systemIdentifier !== pinnedSystemIdentifier) return false
    return said.repmgr.rows.some((row) => row.type === 'witness' && findMember(row, members, evidence) === member)
  })
  return isNamed ? answer.repmgr.missing : null
}
