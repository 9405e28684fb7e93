/** All of a check in one value: what `--json` prints and the screen shows. Pure. */
import { formatNodeAddress } from '../../config/address.ts'
import type { Config } from '../../config/config.ts'
import { formatLsn } from '../../topology/lsn.ts'
import type { TopologyKind } from '../../topology/topology-state.ts'
import type { NodeRow } from '../node-table.ts'
import type { Finding } from './finding.ts'
import { hidesUpstream } from './node-findings.ts'
import type { ClusterView } from './probe-cluster.ts'

export interface CheckedNode extends Omit<NodeRow, 'sessions' | 'lastSeenMs'> {
  /** Learned from repmgr.nodes, not listed in the configuration. */
  readonly discovered: boolean
  readonly systemIdentifier: string | null
  readonly lsn: string | null
  /** The error's own words; `null` when the node answered. */
  readonly detail: string | null
}

export interface CheckReport {
  readonly config: string
  readonly state: TopologyKind
  readonly reason: string
  /** What would be decided on the way there: an acceptance, a grace. */
  readonly steps: readonly string[]
  readonly primary: string | null
  readonly timelineId: number | null
  readonly systemIdentifier: string | null
  readonly nodes: readonly CheckedNode[]
  readonly findings: readonly Finding[]
}

export function buildReport(
  file: string,
  config: Config,
  view: ClusterView,
  findings: readonly Finding[],
): CheckReport {
  const { decision, state, steps, members } = view
  return {
    config: file,
    state: decision.kind,
    reason: decision.reason,
    steps,
    primary: decision.primary,
    timelineId: state.epoch?.timelineId ?? null,
    systemIdentifier: state.epoch?.systemIdentifier ?? null,
    nodes: members.map(({ name, address }): CheckedNode => {
      const verdict = decision.nodes.get(name)
      const known = view.evidence.get(name)
      const answer = known?.lastAnswer?.answer
      const facts = view.facts.get(name)
      const isHidden = verdict?.role === 'standby' && answer?.walReceiver === null && hidesUpstream(name, view)
      return {
        name,
        address: formatNodeAddress(address),
        discovered: !config.nodes.some((node) => node.name === name),
        role: verdict?.role ?? 'unknown',
        timelineId: answer?.timelineId ?? null,
        inRecovery: answer?.inRecovery ?? null,
        replayLagBytes: verdict?.replayLagBytes ?? null,
        systemIdentifier: answer?.systemIdentifier ?? null,
        lsn: answer?.lsn == null ? null : formatLsn(answer.lsn),
        serverVersion: facts?.ok === true ? facts.facts.serverVersion : null,
        problem: isHidden ? 'does not let us see its upstream' : (verdict?.problem ?? null),
        detail: known?.failing?.detail ?? null,
      }
    }),
    findings,
  }
}
