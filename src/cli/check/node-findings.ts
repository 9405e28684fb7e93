/** What is wrong with single nodes, as the probe and the decision see them. Pure. */
import { formatNodeAddress } from '../../config/address.ts'
import type { Config } from '../../config/config.ts'
import type { NodeIdentity } from '../../ports.ts'
import { addNames } from '../../topology/describe.ts'
import type { FailureRun } from '../../topology/evidence.ts'
import type { NodeAnswer } from '../../topology/observation.ts'
import type { NodeVerdict } from '../../topology/topology-state.ts'
import { remedyOfFailure } from './failure-remedy.ts'
import type { Finding } from './finding.ts'
import type { ClusterView } from './probe-cluster.ts'

export function findNodeFaults(view: ClusterView, config: Config): Finding[] {
  return [
    ...view.members.flatMap((member) => findFaultsOf(member, view, config)),
    ...findMixedClusters(view),
    ...findLoneliness(view),
  ]
}

/** True when the role may not see the receiver: a standby without one and one that hides it look the same. */
export function hidesUpstream(name: string, { capabilities }: Pick<ClusterView, 'capabilities'>): boolean {
  return capabilities.get(name)?.readsWalReceiver === false
}

/** One finding about one node; `message` is a predicate. */
type MakeFinding = (
  severity: Finding['severity'],
  code: string,
  message: string,
  remedy: string,
  statements?: readonly string[],
) => Finding[]

function findFaultsOf(member: NodeIdentity, view: ClusterView, config: Config): Finding[] {
  const known = view.evidence.get(member.name)
  const verdict = view.decision.nodes.get(member.name)
  if (known === undefined || verdict === undefined) return []
  if (known.failing !== null) return findFailure(member, known.failing, verdict, view, config)
  if (known.lastAnswer === null) return []
  return findFaultsOfRole(member, known.lastAnswer.answer, verdict, view)
}

function findFailure(
  { name, address }: NodeIdentity,
  run: FailureRun,
  { problem }: NodeVerdict,
  { capabilities }: ClusterView,
  config: Config,
): Finding[] {
  // The GRANTs tell of that.
  if (run.failure === 'permission' && capabilities.has(name)) return []
  const at = formatNodeAddress(address)
  if (!config.nodes.some((node) => node.name === name)) {
    return [
      {
        severity: 'problem',
        code: 'conninfo-unreachable',
        nodes: [name],
        message: `${name} was learned from repmgr.nodes, and at ${at}, the address in its conninfo, it ${problem ?? 'is not usable'}: ${run.detail}`,
        remedy: 'start it if it is down; if its address is another one from here, add it to nodes under that one:',
        statements: [`- { name: ${name}, address: HOST:PORT }`],
      },
    ]
  }
  return [
    {
      severity: 'problem',
      code: `node-${run.failure}`,
      nodes: [name],
      message: `${name} at ${at} ${problem ?? 'cannot be observed'}: ${run.detail}`,
      ...remedyOfFailure(run, config.monitor),
    },
  ]
}

function findFaultsOfRole(
  { name, address }: NodeIdentity,
  answer: NodeAnswer,
  { role, problem }: NodeVerdict,
  view: ClusterView,
): Finding[] {
  const { decision, state } = view
  const one: MakeFinding = (severity, code, message, remedy, statements = []) => {
    return [{ severity, code, nodes: [name], message: `${name} ${message}`, remedy, statements }]
  }
  // What comes after the colon is the decision's own advice.
  const [summary = ''] = problem?.split(': ', 1) ?? []
  switch (role) {
    case 'stale-primary': {
      if (decision.primary === null) {
        return one(
          'problem',
          'stale-primary',
          summary,
          'bring the accepted primary back; or, if that one is lost for good, order:',
          [`pgha-proxy accept ${name}`],
        )
      }
      const primary = view.members.find((member) => member.name === decision.primary)?.address ?? address
      return one(
        'problem',
        'stale-primary',
        summary,
        `stop it, run CHECKPOINT on ${decision.primary}, then rejoin it:`,
        [`repmgr node rejoin -d 'host=${primary.host} port=${primary.port} user=repmgr dbname=repmgr' --force-rewind`],
      )
    }
    case 'impostor':
      return one(
        'problem',
        'impostor',
        summary,
        'stop it and rejoin it; or, if it is the right one, stop the other and order:',
        [`pgha-proxy accept ${name}`],
      )
    case 'foreign':
      return one(
        'problem',
        'foreign',
        `belongs to another cluster: its system identifier is ${answer.systemIdentifier}, the accepted one is ${state.epoch?.systemIdentifier}`,
        'correct its address or take it out of nodes; if the cluster was made anew on it, order:',
        [`pgha-proxy accept ${name}`],
      )
    case 'fenced':
      return one(
        'warning',
        'fenced',
        'is fenced by an operator: no session goes there',
        'when it may be used again, order:',
        [`pgha-proxy unfence ${name}`],
      )
    case 'standby':
      if (problem === null || hidesUpstream(name, view)) return []
      return findFaultsOfStandby(answer, summary, decision.primary, one)
    case 'primary':
    case 'unknown':
      return findFaultsOfClaimant(answer, problem, one)
    case 'witness':
    case 'unreachable':
      return []
    default: {
      const unhandled: never = role
      return unhandled
    }
  }
}

/** Without a primary there is nobody to follow: that is no fault of the standby's. */
function findFaultsOfStandby(answer: NodeAnswer, summary: string, primary: string | null, one: MakeFinding): Finding[] {
  const isStreaming = answer.walReceiver?.status === 'streaming'
  if (primary === null) return []
  if (answer.walReceiver === null || isStreaming) {
    return one('warning', 'standby-not-following', summary, `have it follow ${primary}, on that node:`, [
      'repmgr standby follow',
    ])
  }
  return one(
    'warning',
    'standby-not-streaming',
    summary,
    'its own log tells why; if it has diverged, rejoin it (repmgr node rejoin --force-rewind) or clone it anew',
  )
}

function findFaultsOfClaimant(answer: NodeAnswer, problem: string | null, one: MakeFinding): Finding[] {
  // The GRANTs tell of a denied table.
  if (problem === null || answer.repmgr.kind === 'denied') return []
  if (answer.defaultTransactionReadOnly) {
    return one(
      'problem',
      'read-only-primary',
      'has default_transaction_read_only on, so writes fail',
      'when its maintenance is over, run there:',
      ['ALTER SYSTEM RESET default_transaction_read_only;', 'SELECT pg_reload_conf();'],
    )
  }
  const [summary = '', remedy = 'pgha-proxy status --explain tells more'] = problem.split(/: (.*)/s)
  return one('warning', 'primary-metadata', summary, remedy)
}

/** Before any cluster is accepted none of them is foreign: they are only different. */
function findMixedClusters({ members, evidence, decision, state }: ClusterView): Finding[] {
  if (state.epoch !== null) return []
  const namesByIdentifier = new Map<string, string[]>()
  for (const { name } of members) {
    const identifier = evidence.get(name)?.lastAnswer?.answer.systemIdentifier
    if (identifier === undefined || decision.nodes.get(name)?.role === 'witness') continue
    namesByIdentifier.set(identifier, [...(namesByIdentifier.get(identifier) ?? []), name])
  }
  if (namesByIdentifier.size < 2) return []
  const groups = [...namesByIdentifier].map(([identifier, names]) => {
    return `${addNames(names)} ${names.length === 1 ? 'has' : 'have'} system identifier ${identifier}`
  })
  return [
    {
      severity: 'problem',
      code: 'different-clusters',
      nodes: [...namesByIdentifier.values()].flat(),
      message: `the nodes belong to different clusters: ${groups.join('; ')}`,
      remedy: 'take those that do not belong here out of nodes, or correct their addresses',
      statements: [],
    },
  ]
}

/** What the decision says of the cluster as a whole, unless missing grants are why it looks like that. */
function findLoneliness(view: ClusterView): Finding[] {
  const { decision, members } = view
  if (members.some(({ name }) => hidesUpstream(name, view))) return []
  const ofNodes = new Set([...decision.nodes].map(([name, { problem }]) => `${name} ${problem}`))
  return decision.warnings
    .filter((warning) => !ofNodes.has(warning))
    .map((warning) => ({
      severity: 'warning',
      code: 'cluster',
      nodes: [],
      message: warning,
      remedy: 'bring a standby back, or make one: repmgr standby clone, then repmgr standby register',
      statements: [],
    }))
}
