/**
 * Probes every node once, discovers members as the daemon does, and decides as the daemon would with what is on disk:
 * the same decision function, the same epoch, nothing written. Effect layer of `check`.
 */
import type { Config } from '../../config/config.ts'
import { resolveMonitorPassword } from '../../config/monitor-password.ts'
import type { Environment } from '../../config/substitute.ts'
import { createSharedLookup } from '../../net/shared-lookup.ts'
import type { Clock, NodeIdentity, PersistentState } from '../../ports.ts'
import type { ProbeCapabilities } from '../../probe/capabilities.ts'
import { createPgProber } from '../../probe/pg-prober.ts'
import { decideTopology } from '../../topology/decide-topology.ts'
import { addObservation, NO_EVIDENCE, type NodeEvidence } from '../../topology/evidence.ts'
import { discoverMembers } from '../../topology/members.ts'
import type { NodeAddress } from '../../topology/observation.ts'
import { type Decision, initialState, type TopologyState } from '../../topology/topology-state.ts'
import { type FactsResult, readNodeFacts } from './node-facts.ts'

/** A discovered node may name another one, which may name another one; a cluster is known after the first. */
const DISCOVERY_ROUNDS_MAX = 3

/** All that was seen of the cluster, and what the daemon would make of it. */
export interface ClusterView {
  readonly members: readonly NodeIdentity[]
  readonly evidence: ReadonlyMap<string, NodeEvidence>
  readonly decision: Decision
  readonly state: TopologyState
  /** Sentences of what comes before the decision: an acceptance, a grace that has to pass. */
  readonly steps: readonly string[]
  /** What the monitoring role may read, by node; only of those that let it in. */
  readonly capabilities: ReadonlyMap<string, ProbeCapabilities>
  /** By node; only of those that answered the probe. */
  readonly facts: ReadonlyMap<string, FactsResult>
  /** What is wrong with the monitoring password, by node. */
  readonly passwordProblems: ReadonlyMap<string, string>
}

export interface ProbeClusterOptions {
  readonly config: Config
  readonly restored: PersistentState
  readonly environment: Environment
  readonly clock: Clock
}

interface ProbedNode {
  readonly evidence: NodeEvidence
  readonly capabilities: ProbeCapabilities | null
  readonly facts: FactsResult | null
  readonly passwordProblem: string | null
}

/** Never rejects for what a node does. */
export async function probeCluster(options: ProbeClusterOptions): Promise<ClusterView> {
  const { config } = options
  const discovers = config.discovery === 'repmgr'
  const probed = new Map<string, ProbedNode>()
  const evidence = new Map<string, NodeEvidence>()
  const lookup = createSharedLookup()
  let members: readonly NodeIdentity[] = config.nodes
  for (let round = 0; round < DISCOVERY_ROUNDS_MAX; round += 1) {
    const fresh = members.filter(({ name }) => !probed.has(name))
    if (fresh.length === 0) break
    const results = await Promise.all(fresh.map((node) => probeNode(node, lookup, options)))
    for (const [index, { name }] of fresh.entries()) {
      const result = results[index]
      if (result === undefined) continue
      probed.set(name, result)
      evidence.set(name, result.evidence)
    }
    if (discovers) members = discoverMembers(config.nodes, members, evidence, null)
  }
  members = members.filter(({ name }) => probed.has(name))

  let outcome = decide(members, evidence, options)
  if (discovers && outcome.decision.primary !== null) {
    // The accepted primary's rows have the last word on who is a member.
    const known = discoverMembers(config.nodes, members, evidence, outcome.state.epoch)
    members = known.filter(({ name }) => probed.has(name))
    outcome = decide(members, evidence, options)
  }
  return { members, evidence, ...outcome, ...detailsOf(members, probed) }
}

/** As the health loop would: an acceptance is followed by another decision; a claim that has to wait is waited for. */
function decide(
  members: readonly NodeIdentity[],
  evidence: ReadonlyMap<string, NodeEvidence>,
  { config, restored, clock }: ProbeClusterOptions,
): Pick<ClusterView, 'decision' | 'state' | 'steps'> {
  const policy = { ...config.policy, failuresToCount: config.monitor.failures }
  const wallTime = clock.wallTime().toISOString()
  const startedAt = clock.now()
  const decideAt = (previous: TopologyState, now: number) =>
    decideTopology({ previous, members, evidence, policy, now, wallTime })

  const steps: string[] = []
  let now = startedAt
  let { decision, state } = decideAt(initialState(restored.epoch, restored.fenced, now), now)
  if (decision.accept === null && decision.primary === null && hasPendingClaim(state)) {
    steps.push(decision.reason)
    // The evidence stands for what the nodes would go on to say; nothing is waited for here.
    now += policy.graceMs
    ;({ decision, state } = decideAt(state, now))
  }
  if (decision.accept !== null) {
    steps.push(decision.reason)
    ;({ decision, state } = decideAt({ ...state, epoch: decision.accept }, now))
  }
  return { decision, state, steps }
}

function hasPendingClaim({ pendingClaims }: TopologyState): boolean {
  return [...pendingClaims.values()].some(({ latched }) => !latched)
}

async function probeNode(
  node: NodeIdentity,
  lookup: ReturnType<typeof createSharedLookup>,
  { config, environment, clock }: ProbeClusterOptions,
): Promise<ProbedNode> {
  const { password, problem } = await findPassword(node.address, config, environment)
  const { user, database, sslmode, sslrootcert, timeoutMs } = config.monitor
  const access = { user, database, sslmode, sslrootcert, timeoutMs, password }
  const prober = createPgProber({ node, clock, lookup, monitor: access })
  try {
    const observation = await prober.probe({ fresh: false })
    return {
      evidence: addObservation(NO_EVIDENCE, observation),
      capabilities: prober.capabilities(),
      facts:
        observation.kind === 'answered' ? await readNodeFacts({ address: node.address, access, lookup, clock }) : null,
      passwordProblem: problem,
    }
  } finally {
    await prober.close()
  }
}

async function findPassword(
  address: NodeAddress,
  { monitor }: Config,
  environment: Environment,
): Promise<{ readonly password: string | null; readonly problem: string | null }> {
  const found = await resolveMonitorPassword({ monitor, address, environment })
  switch (found.kind) {
    case 'found':
      return { password: found.password, problem: null }
    case 'none':
      return { password: null, problem: found.warning }
    case 'failed':
      return { password: null, problem: found.problem }
    default: {
      const unhandled: never = found
      return unhandled
    }
  }
}

function detailsOf(
  members: readonly NodeIdentity[],
  probed: ReadonlyMap<string, ProbedNode>,
): Pick<ClusterView, 'capabilities' | 'facts' | 'passwordProblems'> {
  const capabilities = new Map<string, ProbeCapabilities>()
  const facts = new Map<string, FactsResult>()
  const passwordProblems = new Map<string, string>()
  for (const { name } of members) {
    const node = probed.get(name)
    if (node?.capabilities) capabilities.set(name, node.capabilities)
    if (node?.facts) facts.set(name, node.facts)
    if (node?.passwordProblem) passwordProblems.set(name, node.passwordProblem)
  }
  return { capabilities, facts, passwordProblems }
}
