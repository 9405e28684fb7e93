/** What `check` saw of a cluster, for tests: scenarios of test/topology, and all that comes with them. Test support. */
import type { FactsResult, NodeFacts } from '../../../src/cli/check/node-facts.ts'
import type { ClusterView } from '../../../src/cli/check/probe-cluster.ts'
import type { Config } from '../../../src/config/config.ts'
import type { ProbeCapabilities } from '../../../src/probe/capabilities.ts'
import { addObservation, NO_EVIDENCE } from '../../../src/topology/evidence.ts'
import type { Observation } from '../../../src/topology/observation.ts'
import { mustLoad } from '../../support/config-text.ts'
import { Scenario } from '../../topology/scenario.ts'

/** May read everything, on PostgreSQL 15. */
export const FULL: ProbeCapabilities = {
  role: 'pgha',
  serverVersion: 150_018,
  readsWalReceiver: true,
  deniedFunctions: [],
  repmgr: { kind: 'readable', conninfo: true, localNodeId: true },
}

/** As PostgreSQL comes, set up for repmgr. */
export const SOUND: NodeFacts = {
  serverVersion: '15.18',
  walLogHints: true,
  dataChecksums: false,
  maxConnections: 20_000,
  reservedConnections: 3,
  clockAheadMs: 0,
}

export interface ViewOptions {
  /** What the nodes say, as in test/topology/scenario.ts. */
  readonly says: readonly string[]
  readonly epoch?: string
  readonly fenced?: string[]
  /** By node; the rest is FULL and SOUND. */
  readonly capabilities?: Readonly<Record<string, Partial<ProbeCapabilities>>>
  readonly facts?: Readonly<Record<string, Partial<NodeFacts> | string>>
  /** Replaces what a node's failure says. */
  readonly failures?: Readonly<
    Record<
      string,
      | Extract<Observation, { kind: 'failed' }>['failure']
      | [Extract<Observation, { kind: 'failed' }>['failure'], string]
    >
  >
  /** Names of nodes that are not in the configuration. */
  readonly discovered?: readonly string[]
}

/** The view, and the configuration it belongs to: the nodes of the scenario under their names and addresses. */
export function viewOf(options: ViewOptions): { readonly view: ClusterView; readonly config: Config } {
  const { says, epoch, fenced = [], capabilities = {}, facts = {}, failures = {}, discovered = [] } = options
  const scenario = new Scenario({ nodes: says.length, fenced, ...(epoch === undefined ? {} : { epoch }) })
  for (const [name, failed] of Object.entries(failures)) {
    const [failure, detail] = typeof failed === 'string' ? [failed, failed] : failed
    scenario.evidence.set(
      name,
      addObservation(NO_EVIDENCE, { kind: 'failed', sentAt: 0, receivedAt: 1, failure, detail }),
    )
  }
  scenario.turn(says)
  const { decision, state, members, evidence } = scenario
  if (decision === null) throw new Error('no turn was taken')
  const answering = members.filter(({ name }) => evidence.get(name)?.failing === null)
  const view: ClusterView = {
    members,
    evidence,
    decision,
    state,
    steps: [],
    capabilities: new Map(answering.map(({ name }) => [name, { ...FULL, ...capabilities[name] }])),
    facts: new Map(
      answering.map(({ name }): [string, FactsResult] => {
        const known = facts[name] ?? {}
        if (typeof known === 'string') return [name, { ok: false, problem: known }]
        return [name, { ok: true, facts: { ...SOUND, ...known } }]
      }),
    ),
    passwordProblems: new Map(),
  }
  const nodes = members
    .filter(({ name }) => !discovered.includes(name))
    .map(({ name, address }) => `{ name: ${name}, address: "${address.host}:${address.port}" }`)
  const config = mustLoad(
    `listeners: [{ address: "127.0.0.1:6432" }]\nnodes: [${nodes.join(', ')}]\nmonitor: { user: pgha }\nstate_dir: /nowhere`,
  )
  return { view, config }
}
