/**
 * The metrics as the daemon wires them, over a real health loop and a real admission, with nodes that say what the test
 * says and a clock that stands still. Test support.
 */

import { DecisionLog } from '../../src/daemon/decision-log.ts'
import { FailoverRecorder } from '../../src/daemon/failover-recorder.ts'
import { ServiceReporter } from '../../src/daemon/service-reporter.ts'
import { NO_SYSTEMD } from '../../src/daemon/systemd-environment.ts'
import { admissionEvents, healthEvents } from '../../src/daemon/tell-events.ts'
import { Admission, type Applicant } from '../../src/net/admission.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import { Metrics } from '../../src/observability/metrics.ts'
import { buildStatus } from '../../src/observability/status.ts'
import type { PersistentState } from '../../src/ports.ts'
import { HealthLoop, type HealthSettings } from '../../src/probe/health-loop.ts'
import type { SessionFigures } from '../../src/session/session-figures.ts'
import { FakeProber } from '../probe/fake-prober.ts'
import { FakeStore } from '../probe/health-loop-setup.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'
import { member, POLICY } from '../topology/scenario.ts'
import { Exposition } from './exposition.ts'

export const LISTENER = '0.0.0.0:5432'

/** Someone in the hold queue. */
export class Waiter implements Applicant {
  readonly request = { route: 'primary', fallback: 'none', balance: 'least-sessions', maxLagBytes: null } as const
  node: string | null = null

  admit(routing: { readonly node: string }): void {
    this.node = routing.node
  }

  refuse(): void {
    throw new Error('a waiter for the primary is never refused')
  }
}

/** `says`: what each node says, in the notation of topology/scenario.ts. */
export function setUpMetrics(
  says: Readonly<Record<string, string>>,
  restored: PersistentState = { epoch: null, fenced: [] },
) {
  const clock = new FakeClock(1000)
  const { logger } = createMemoryLog()
  const metrics = new Metrics(clock)
  const registry = new SessionRegistry()
  const store = new FakeStore()
  const probers = new Map<string, FakeProber>()
  const members = Object.keys(says).map(member)
  const settings: HealthSettings = {
    nodes: members,
    discovery: 'none',
    policy: POLICY,
    intervalMs: 500,
    fastIntervalMs: 50,
  }
  const failovers = new FailoverRecorder({
    clock,
    logger,
    file: { path: '/failovers.json', load: async () => ({ kind: 'absent' }), save: async () => {} },
    sessions: () => ({
      size: registry.size,
      heldCount: admission.heldCount,
      totals: admission.totals,
      acceptedCount: registry.acceptedCount,
      endedCounts: registry.endedCounts,
      countOn: (node) => registry.countOn(node),
    }),
    onChange: (before, after) => metrics.takeFailover(before, after),
  })
  const admission: Admission = new Admission({
    clock,
    registry,
    settings: { holdSessionsMax: 100, releaseRate: 1000, decisionTtlMs: 5000 },
    events: admissionEvents({ logger, metrics, failovers }),
  })
  const service = new ServiceReporter({
    systemd: NO_SYSTEMD,
    path: undefined,
    clock,
    logger,
    schedule: () => ({ members: [], intervalMs: 500, timeoutMs: 1000 }),
  })
  const health = new HealthLoop({
    clock,
    store,
    settings,
    restored,
    createProber: (node) => {
      const prober = new FakeProber({ node, members, now: clock.now, says: says[node.name] ?? null })
      probers.set(node.name, prober)
      return prober
    },
    events: healthEvents(admission, {
      logger,
      decisionLog: new DecisionLog(logger, clock),
      metrics,
      failovers,
      service,
      observer: null,
      stateFilePath: '/state.json',
    }),
  })
  let sessions: SessionFigures = registry.figures
  // Its store answers at once: before the first node does.
  void failovers.restore(restored.epoch)
  health.start()

  const text = async (): Promise<string> => {
    const { decision, state, members: current, evidence } = health.snapshot
    const status = buildStatus({
      decision,
      state,
      members: current,
      evidence,
      policy: POLICY,
      sessionCountOn: () => 0,
      sessions: { active: 0, held: admission.heldCount, accepted: 0, ended: registry.endedCounts },
      listeners: [LISTENER],
      isDraining: false,
      workers: [{ worker: 1, pid: 7, sessions: 2, rssBytes: 60e6, cpuSeconds: 1.5, eventLoopDelayMs: 20 }],
      version: '1.2.3',
      startedAt: 0,
      now: clock.now(),
      wallTime: clock.wallTime(),
    })
    const page = await metrics.page({
      status,
      health: health.snapshot,
      sessions,
      listeners: [LISTENER],
      limits: { sessionsMax: 10_000, heldMax: 100 },
      isReady: decision?.primary != null,
      now: clock.now(),
    })
    return page.text
  }
  return {
    clock,
    metrics,
    admission,
    store,
    health,
    settings,
    text,
    scrape: async () => new Exposition(await text()),
    say: (node: string, said: string) => probers.get(node)?.say(said),
    /** What the registry would say. */
    showSessions: (figures: SessionFigures) => {
      sessions = figures
    },
    /** Somebody comes; whoever finds no node waits. */
    come: (): Waiter => {
      const waiter = new Waiter()
      const answer = admission.seek(waiter)
      if (answer.kind === 'node') waiter.admit(answer)
      return waiter
    },
  }
}
