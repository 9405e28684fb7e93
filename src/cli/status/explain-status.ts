/**
 * `status --explain`: what each node last said, and what would change the decision, as far as the status tells. Pure.
 * The rules it puts into words are those of docs/decision.md; it decides nothing.
 */
import type { NodeStatus } from '../../observability/status.ts'
import { addNames } from '../../topology/describe.ts'
import type { NodeRole } from '../../topology/topology-state.ts'
import { toneOfRole } from '../paint.ts'
import { formatAge, formatBytes, formatCount } from '../quantities.ts'
import { type Layout, printable } from '../table.ts'
import { wrap } from '../wrap.ts'
import type { ShownStatus } from './parse-status.ts'

const EVIDENCE_INDENT = '    '

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
  const problem = node.problem === null ? [] : [`problem: ${node.problem}`]
  if (node.lastSeenMs === null) return ['it has not answered since the proxy started', ...problem]
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
  return [`${formatAge(node.lastSeenMs)} ago it said: ${parts.join(', ')}`, ...identifier, ...problem]
}

/** Roles of nodes that are up, out of recovery, and not believed. What an unreachable one last said is no claim. */
const UNACCEPTED: ReadonlySet<NodeRole> = new Set(['unknown', 'stale-primary', 'impostor', 'foreign'])

/** What an operator can wait for or do, one sentence a line. */
export function explainOutlook(status: ShownStatus): string[] {
  const fenced = namesOf(status, ({ role }) => role === 'fenced')
  const lines = [
    ...outlookOfState(status),
    ...(fenced.length === 0
      ? []
      : [`${addNames(fenced)}: fenced by an operator until \`pgha-proxy unfence ${fenced[0] ?? 'NODE'}\`.`]),
    ...(status.draining ? ['The proxy is draining: it takes no new sessions, whatever the decision.'] : []),
  ]
  return lines.map(printable)
}

function outlookOfState(status: ShownStatus): string[] {
  const { state, primary, incumbent, timelineId } = status
  const above = timelineId === null ? '' : ` above ${timelineId}`
  const takeover = `Another node takes over when it leaves recovery on a timeline${above}: at once when its own repmgr row says primary${
    incumbent === null ? '' : ` or ${incumbent} is provably gone`
  }, else after policy.grace.`
  const claimants = namesOf(status, ({ role, inRecovery }) => inRecovery === false && UNACCEPTED.has(role))
  const accept = acceptLine(claimants)
  switch (state) {
    case 'serving':
      return [
        `New sessions wait as soon as ${incumbent ?? 'the primary'} cannot be reached; running ones stay while that proves nothing.`,
        `Its sessions end when it proves to be something else than the primary, when its port refuses connections twice, or on \`pgha-proxy fence ${incumbent ?? 'NODE'}\`.`,
        takeover,
      ]
    case 'uncertain':
      return [
        `New sessions go on when ${incumbent ?? 'the primary'} answers as primary again${timelineId === null ? '' : ` on timeline ${timelineId}`}.`,
        takeover,
        ...accept,
      ]
    case 'no-primary':
      return [
        incumbent === null
          ? 'New sessions go on when one node, and only one, proves to be primary and at least half of the members can be asked.'
          : `New sessions go on when ${incumbent} comes back as primary${timelineId === null ? '' : ` on timeline ${timelineId}`}.`,
        ...(incumbent === null ? [] : [takeover]),
        ...accept,
      ]
    case 'split-brain':
      return [
        primary === null
          ? 'New sessions wait: nothing that the nodes say tells which of them is right.'
          : `Sessions stay on ${primary}, and nobody is moved to the other.`,
        'It ends when one of them stops, becomes a standby, or its repmgr row settles it (repmgr primary register --force).',
        ...(accept.length > 0 ? accept : ['Or decide yourself: `pgha-proxy accept NODE`; stop the other one first.']),
      ]
    default: {
      const unhandled: never = state
      return unhandled
    }
  }
}

function acceptLine(claimants: readonly string[]): string[] {
  const [first] = claimants
  if (first === undefined) return []
  const names = addNames(claimants)
  const verb = claimants.length === 1 ? 'claims' : 'claim'
  return [
    `${names} ${verb} to be primary. If you know that ${claimants.length === 1 ? 'it is right' : 'one is right'}: \`pgha-proxy accept ${claimants.length === 1 ? first : 'NODE'}\`; what the others have written since is not in it.`,
  ]
}

function namesOf({ nodes }: ShownStatus, isMeant: (node: NodeStatus) => boolean): string[] {
  return nodes.filter(isMeant).map(({ name }) => name)
}
