/**
 * `status --explain`: what each node said and what followed from it, then what would change the decision. Pure. The
 * sentences of the outlook are the proxy's own; this puts them on a screen.
 */

import { printable } from '../../observability/printable.ts'
import type { NodeStatus } from '../../observability/status.ts'
import { addNames } from '../../topology/describe.ts'
import type { NodeRole } from '../../topology/topology-state.ts'
import { toneOfRole } from '../paint.ts'
import { formatAge, formatBytes, formatCount } from '../quantities.ts'
import type { Layout } from '../table.ts'
import { wrap } from '../wrap.ts'
import type { ShownStatus } from './parse-status.ts'

const EVIDENCE_INDENT = '    '

/** Where nobody expects a session that could write. */
const ENDS_ANYWAY: ReadonlySet<NodeRole> = new Set(['standby', 'witness'])

/** Two lines or more for each node. */
export function explainNodes({ nodes, systemIdentifier }: ShownStatus, { paint, columns }: Layout): string[] {
  return nodes.flatMap((node) => [
    `  ${paint('strong', printable(node.name))}  ${paint(toneOfRole(node.role), node.role)} at ${printable(node.address)}, ${formatCount(node.sessions, 'session')}`,
    ...describeEvidence(node, systemIdentifier).flatMap((sentence) => {
      return wrap(printable(sentence), columns, EVIDENCE_INDENT).map((line, index) =>
        index === 0 ? `${EVIDENCE_INDENT}${line}` : line,
      )
    }),
  ])
}

function describeEvidence(node: NodeStatus, pinned: string | null): string[] {
  return [
    ...describeAnswer(node, pinned),
    ...describeClaim(node),
    ...(node.repmgr === 'denied' ? ['its repmgr rows may not be read'] : []),
    ...(node.repmgr === 'absent' ? ['it has no repmgr rows'] : []),
    ...(node.votesFor === null ? [] : [`its repmgr rows name ${node.votesFor} as the primary`]),
    ...(node.failing === null
      ? []
      : [
          `failing for ${formatAge(node.failing.forMs)}, the last ${formatCount(node.failing.count, 'probe')}: ${node.failing.failure}`,
        ]),
    ...(node.problem === null ? [] : [`problem: ${node.problem}`]),
    ...(node.endsSessions === null || ENDS_ANYWAY.has(node.role)
      ? []
      : [`sessions that could write are ended there: it ${node.endsSessions}`]),
  ]
}

function describeAnswer(node: NodeStatus, pinned: string | null): string[] {
  if (node.lastSeenMs === null) return ['it has not answered since the proxy started']
  const parts = [
    node.inRecovery === true ? 'in recovery' : 'not in recovery',
    ...(node.timelineId === null ? [] : [`timeline ${node.timelineId}`]),
    ...(node.lsn === null ? [] : [`${node.inRecovery === true ? 'received' : 'written'} up to ${node.lsn}`]),
    ...(node.upstream === null ? [] : [`streams from ${node.upstream}`]),
    ...(node.replayLagBytes === null ? [] : [`${formatBytes(node.replayLagBytes)} behind`]),
  ]
  const identifier =
    node.systemIdentifier === null || node.systemIdentifier === pinned
      ? []
      : [`system identifier ${node.systemIdentifier}${pinned === null ? '' : `, the cluster's is ${pinned}`}`]
  return [`${formatAge(node.lastSeenMs)} ago it said: ${parts.join(', ')}`, ...identifier]
}

const AGAINST = { below: ', below the accepted one', same: ', the accepted one', above: ', above the accepted one' }

function describeClaim({ claim }: NodeStatus): string[] {
  if (claim === null) return []
  const against = claim.against === null ? '' : AGAINST[claim.against]
  const own = claim.confirmed ? 'its own repmgr row says so' : 'no repmgr row of its own says so'
  const waits = claim.latched
    ? '; time does not resolve it'
    : claim.graceLeftMs === null
      ? ''
      : `; ${formatAge(claim.graceLeftMs)} of policy.grace left`
  return [`claims to be primary on timeline ${claim.timelineId}${against}; ${own}${waits}`]
}

/** How the decision came about: `[word, text]`, one a line. */
export function explainBasis(status: ShownStatus): [string, string][] {
  const { rule, epoch, nodes } = status
  const claimants = nodes.flatMap(({ name, claim }) =>
    claim === null ? [] : [`${name} on timeline ${claim.timelineId}${claim.confirmed ? '' : ' (no row says so)'}`],
  )
  const voted = [...new Set(nodes.flatMap(({ votesFor }) => (votesFor === null ? [] : [votesFor])))]
  const votes = voted.map((candidate) => {
    const voters = nodes.filter(({ votesFor }) => votesFor === candidate).map(({ name }) => name)
    return `${candidate} by ${addNames(voters)}`
  })
  return [
    ...(rule === null ? [] : [['rule', rule] satisfies [string, string]]),
    [
      'epoch',
      epoch === null
        ? 'none: nothing was accepted yet'
        : `${epoch.node} on timeline ${epoch.timelineId} of ${epoch.systemIdentifier}, accepted ${epoch.at}`,
    ],
    ['claimants', claimants.length === 0 ? 'none' : claimants.join(', ')],
    ['votes', votes.length === 0 ? 'none: no repmgr rows' : votes.join('; ')],
  ]
}

/** What an operator can wait for or do, one sentence a line. */
export function explainOutlook({ outlook, draining }: ShownStatus): string[] {
  const lines = [
    ...(outlook ?? ['This proxy is of an older version and does not say.']),
    ...(draining ? ['The proxy is draining: it takes no new sessions, whatever the decision.'] : []),
  ]
  return lines.map(printable)
}
