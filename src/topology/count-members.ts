/** How many of the registered nodes can be observed: what a cold start and `policy.require_majority` ask for. Pure. */
import { unmatchedRows } from './members.ts'
import type { Situation } from './situation.ts'
import { isObservable } from './standing.ts'

export interface MemberCount {
  readonly observable: number
  readonly registered: number
  /** Their names. */
  readonly unobserved: readonly string[]
}

/** Registered members are those we probe and those in the claimant's own rows, itself and the witness included. */
export function countMembers({ input, standings }: Situation, claimant: string): MemberCount {
  const unobserved: string[] = []
  let observable = 0
  for (const [name, standing] of standings) {
    if (isObservable(standing)) observable += 1
    else unobserved.push(name)
  }
  const standing = standings.get(claimant)
  if (standing?.kind === 'claims-primary' && standing.answer.repmgr.kind === 'rows') {
    const hidden = unmatchedRows(standing.answer.repmgr.rows, input.members, input.evidence)
    unobserved.push(...hidden.map((row) => row.nodeName))
  }
  return { observable, registered: observable + unobserved.length, unobserved }
}
