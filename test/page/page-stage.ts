/**
 * The live page in front of a proxy that is only told of: any status, any journal, and minutes of a past that never was.
 * Test support. `closeAfterEach` of the admin rig closes what is opened here.
 */
import type { FailoverRecord } from '../../src/observability/failover-record.ts'
import { HISTORY_SECONDS } from '../../src/observability/session-history.ts'
import type { NodeStatus, Status } from '../../src/observability/status.ts'
import type { NodeRole } from '../../src/topology/topology-state.ts'
import { STATUS, startAdmin } from '../admin/admin-rig.ts'
import { FakeClock } from '../support/fake-clock.ts'

const [FIRST_NODE] = STATUS.nodes
if (FIRST_NODE === undefined) throw new Error('the status of the rig has a node')
const NODE: NodeStatus = FIRST_NODE

/** A node that answers, with what a test says otherwise. */
export function node(name: string, role: NodeRole, rest: Partial<NodeStatus> = {}): NodeStatus {
  const address = `${name}.db.example:5432`
  return { ...NODE, name, address, role, timelineId: 3, lastSeenMs: 80, ...rest }
}

/** A standby of this node. */
export function standbyOf(upstream: string, name: string, rest: Partial<NodeStatus> = {}): NodeStatus {
  return node(name, 'standby', { upstream: `${upstream}.db.example:5432`, replayLagBytes: 0, ...rest })
}

/** A status in which `node1` serves. */
export function serving(nodes: readonly NodeStatus[], rest: Partial<Status> = {}): Status {
  return {
    ...STATUS,
    state: 'serving',
    reason: 'node1 is primary on timeline 3',
    primary: 'node1',
    incumbent: 'node1',
    timelineId: 3,
    since: new Date(Date.parse('2026-01-01T00:00:00.000Z')).toISOString(),
    nodes,
    listeners: ['0.0.0.0:5432', '0.0.0.0:5433'],
    ...rest,
  }
}

/** As many nodes as there may be, of every kind that there is. */
export const TWELVE_NODES: readonly NodeStatus[] = [
  node('node1', 'primary', { sessions: 412 }),
  standbyOf('node1', 'node2', { sessions: 96 }),
  standbyOf('node1', 'node3', { sessions: 91, replayLagBytes: 18_432 }),
  standbyOf('node2', 'node4', { replayLagBytes: 5_242_880, problem: 'lags by more than listeners allow' }),
  standbyOf('node2', 'node5', { sessions: 40 }),
  node('node6', 'standby', { upstream: '10.20.0.9:5432', replayLagBytes: 0 }),
  node('node7', 'stale-primary', {
    timelineId: 2,
    problem: 'claims to be primary on timeline 2, below the accepted 3',
  }),
  node('node8', 'impostor', { problem: 'claims timeline 3, which is that of node1' }),
  node('node9', 'foreign', { timelineId: 1, problem: 'belongs to another cluster' }),
  node('node10', 'fenced', { problem: 'is fenced by an operator' }),
  node('node11', 'unreachable', { lastSeenMs: 754_000, problem: 'does not answer: timeout' }),
  node('node12', 'witness', { timelineId: 1 }),
]

export interface PageStageOptions {
  readonly status: Status
  readonly failovers?: readonly FailoverRecord[]
  readonly port?: number
  /** Plays 15 minutes before the page is asked for; default: no past. */
  readonly hasPast?: boolean
}

/** A proxy that says this, and goes on at the pace of the real clock until the server is closed. */
export async function openStage({ status, failovers = [], port = 0, hasPast = false }: PageStageOptions) {
  const clock = new FakeClock()
  let current = status
  const admin = await startAdmin({
    clock,
    address: { kind: 'tcp', host: '127.0.0.1', port },
    actions: {
      status: () => current,
      failovers: () => ({ total: failovers.length, failovers }),
      glance: () => {
        const { active, held } = current.sessions
        const wave = hasPast ? Math.round(30 * Math.sin(clock.now() / 90_000)) : 0
        return { active: active + wave, held, state: current.state, primary: current.primary }
      },
    },
  })
  if (hasPast) clock.advance(HISTORY_SECONDS * 1_000)
  const pace = setInterval(() => clock.advance(100), 100)
  return {
    ...admin,
    clock,
    url: `http://127.0.0.1:${admin.port}/`,
    /** As a process that is stopped: connections stay, nothing comes. */
    freeze: () => clearInterval(pace),
    become: (next: Status) => {
      current = next
    },
    close: async () => {
      clearInterval(pace)
      await admin.server.close()
    },
  }
}
