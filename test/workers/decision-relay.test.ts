/**
 * Decisions on their way to workers. The workers here have real admissions; the lines to them are queues, which the test
 * empties as it likes.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Admission } from '../../src/net/admission.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import type { RouteRequest } from '../../src/topology/route-session.ts'
import type { Decision } from '../../src/topology/topology-state.ts'
import { CONFIRM_MS, CONFIRM_MS_PER_SESSION, DecisionRelay } from '../../src/workers/decision-relay.ts'
import type { ToWorker } from '../../src/workers/messages.ts'
import { decide } from '../net/decision-builder.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

const PRIMARY: RouteRequest = { route: 'primary', fallback: 'none', balance: 'least-sessions', maxLagBytes: null }
const NODES = ['a', 'b', 'c']

/** Sessions are names of nodes; those that a decision ends are gone. */
class NodeNames extends SessionRegistry {
  sessions: string[] = []

  override applyDecision({ nodes }: Decision): number {
    const before = this.sessions.length
    this.sessions = this.sessions.filter((node) => nodes.get(node)?.writeSessions.kind !== 'end')
    return before - this.sessions.length
  }
}

class FakeWorker {
  readonly worker: number
  readonly pid = 1
  readonly inbox: ToWorker[] = []
  /** Confirmations that have not reached the relay. */
  readonly outbox: { readonly round: number; readonly endedCount: number }[] = []
  readonly registry = new NodeNames()
  /** Sessions, as the main process counts them. */
  size = 0
  isKilled = false
  readonly #admission: Admission

  constructor(worker: number, clock: FakeClock) {
    this.worker = worker
    const settings = { holdSessionsMax: 1000, releaseRate: 1000, decisionTtlMs: 1e9 }
    this.#admission = new Admission({ clock, registry: this.registry, settings })
  }

  tell(message: ToWorker): void {
    this.inbox.push(message)
  }

  kill(): void {
    this.isKilled = true
  }

  client(): void {
    const admit = ({ node }: { readonly node: string }) => this.registry.sessions.push(node)
    const answer = this.#admission.seek({ request: PRIMARY, admit, refuse: () => undefined })
    if (answer.kind === 'node') admit(answer)
  }

  /** Takes the next message that has come, if any. */
  work(): void {
    const message = this.inbox.shift()
    if (message?.kind === 'fence') {
      this.outbox.push({ round: message.round, endedCount: this.#admission.fence(message.decision) })
    }
    if (message?.kind === 'admit') this.#admission.admit()
    if (message?.kind === 'renew') this.#admission.renew(message.decision)
  }
}

function setUp(count: number) {
  const clock = new FakeClock(1000)
  const log = createMemoryLog()
  const workers = Array.from({ length: count }, (_, index) => new FakeWorker(index + 1, clock))
  const diary: string[] = []
  let stoodStillMs = 0
  const relay = new DecisionRelay({
    clock: { now: () => clock.now() + stoodStillMs, wallTime: clock.wallTime, schedule: clock.schedule },
    logger: log.logger,
    workers: () => workers,
    members: () => [],
    onAdmitted: () => diary.push('admitted'),
  })
  const bury = (worker: FakeWorker): void => {
    workers.splice(workers.indexOf(worker), 1)
    relay.leave(worker.worker)
  }
  return {
    ...{ clock, log, workers, diary, relay, bury },
    /** Time goes by in which no timer runs. */
    standStill: (forMs: number) => {
      stoodStillMs += forMs
    },
    take: (decision: Decision) => relay.take(decision, (endedCount) => diary.push(`${decision.reason}: ${endedCount}`)),
    /** A new one in the place of one that is gone. */
    replace: (worker: number) => {
      const fresh = new FakeWorker(worker, clock)
      workers.push(fresh)
      relay.welcome(fresh)
    },
    answer: (worker: FakeWorker) => {
      const confirmation = worker.outbox.shift()
      if (confirmation !== undefined) relay.takeConfirmation(worker.worker, confirmation.round, confirmation.endedCount)
    },
    /** Until nobody has anything more to do. */
    settle: () => {
      while (workers.some(({ inbox, outbox }) => inbox.length + outbox.length > 0)) {
        for (const worker of [...workers]) {
          worker.work()
          const confirmation = worker.outbox.shift()
          if (confirmation !== undefined)
            relay.takeConfirmation(worker.worker, confirmation.round, confirmation.endedCount)
        }
      }
    },
  }
}

const primaryIs = (primary: string, at = 1000) =>
  decide({ primary, at, ending: NODES.filter((node) => node !== primary) })

function two(): { readonly first: FakeWorker; readonly second: FakeWorker } & ReturnType<typeof setUp> {
  const rig = setUp(2)
  const [first, second] = rig.workers
  if (first === undefined || second === undefined) throw new Error('two workers')
  rig.take(primaryIs('a'))
  rig.settle()
  for (const worker of rig.workers) worker.client()
  rig.diary.splice(0)
  return { ...rig, first, second }
}

describe('a decision for another primary', () => {
  it('admits nobody anywhere before all have fenced, and is told of with the sum of what they ended', () => {
    const { take, first, second, answer, diary } = two()
    take(primaryIs('b'))
    first.work()
    answer(first)
    first.client()
    expect([first.registry.sessions, second.registry.sessions, diary]).toEqual([[], ['a'], []])
    second.work()
    answer(second)
    expect(diary).toEqual(['b is primary: 2', 'admitted'])
    first.work()
    second.work()
    expect([first.registry.sessions, second.registry.sessions]).toEqual([['b'], []])
  })

  it('has a worker killed that does not confirm in time, and goes on when that is gone, not before', () => {
    const { take, first, second, answer, clock, log, diary, bury } = two()
    take(primaryIs('b'))
    first.work()
    answer(first)
    clock.advance(CONFIRM_MS - 1)
    expect(second.isKilled).toBe(false)
    clock.advance(1)
    expect([second.isKilled, first.isKilled, diary]).toEqual([true, false, []])
    expect(log.news()).toEqual(['error a worker has not confirmed that it has fenced: it is killed'])
    bury(second)
    expect(diary).toEqual(['b is primary: 1', 'admitted'])
    expect(clock.pendingCount).toBe(0)
  })

  it('gives a worker with many sessions the time that it takes to end them', () => {
    const { take, second, clock } = two()
    second.size = 4_000
    take(primaryIs('b'))
    clock.advance(CONFIRM_MS + 4_000 * CONFIRM_MS_PER_SESSION - 1)
    expect(second.isKilled).toBe(false)
    clock.advance(CONFIRM_MS / 2)
    expect(second.isKilled).toBe(true)
  })

  it('kills nobody when this process itself stood still: what they said is read first', () => {
    const { take, second, clock, standStill } = two()
    take(primaryIs('b'))
    standStill(10 * CONFIRM_MS)
    clock.advance(CONFIRM_MS / 2)
    expect(second.isKilled).toBe(false)
    clock.advance(CONFIRM_MS)
    expect(second.isKilled).toBe(true)
  })

  it('that is overtaken admits nobody; both are told of, in their order', () => {
    const { take, first, second, answer, settle, diary } = two()
    take(primaryIs('b'))
    for (const worker of [first, second]) {
      worker.work()
      worker.client()
    }
    take(primaryIs('c'))
    answer(first)
    answer(second)
    expect(diary).toEqual([])
    settle()
    expect(diary).toEqual(['b is primary: 0', 'c is primary: 2', 'admitted'])
    expect([first.registry.sessions, second.registry.sessions]).toEqual([['c'], ['c']])
  })

  it('reaches a worker that starts meanwhile, which admits with the others', () => {
    const { take, first, second, bury, replace, workers, settle } = two()
    take(primaryIs('b'))
    bury(second)
    replace(2)
    const fresh = workers.at(-1)
    fresh?.client()
    fresh?.work()
    fresh?.work()
    expect(fresh?.registry.sessions).toEqual([])
    settle()
    expect([first.registry.sessions, fresh?.registry.sessions]).toEqual([[], ['b']])
  })
})

describe('a decision that repeats the one before', () => {
  it('renews the proof at once, and is told of at once', () => {
    const { take, first, diary } = two()
    take(primaryIs('a', 2000))
    expect(first.inbox.map(({ kind }) => kind)).toEqual(['renew'])
    expect(diary).toEqual(['a is primary: 0'])
  })

  it('does not admit to a primary that not all have fenced for', () => {
    const { take, first, second, answer, diary, settle } = two()
    take(primaryIs('b'))
    first.work()
    answer(first)
    first.client()
    take(primaryIs('b', 2000))
    first.work()
    expect([first.registry.sessions, diary]).toEqual([[], []])
    settle()
    expect(diary).toEqual(['b is primary: 1', 'b is primary: 1', 'admitted'])
    expect([first.registry.sessions, second.registry.sessions]).toEqual([['b'], []])
  })
})

describe('whatever happens in whatever order', () => {
  const worker = fc.integer({ min: 1, max: 3 })
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('decide'), node: fc.constantFrom(...NODES, null) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('work'), worker }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('answer'), worker }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('client'), worker }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('die'), worker }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace'), worker }) },
  )

  it('no two nodes have sessions to write at a time, and in the end all are on the primary', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { workers, take, bury, replace, answer, settle } = setUp(3)
        let at = 1000
        for (const { kind, ...what } of steps) {
          const who = 'worker' in what ? workers.find((each) => each.worker === what.worker) : undefined
          if (kind === 'decide' && 'node' in what) {
            at += 1
            take(what.node === null ? decide({ primary: null, at, silent: NODES }) : primaryIs(what.node, at))
          }
          if (kind === 'work') who?.work()
          if (kind === 'answer' && who !== undefined) answer(who)
          if (kind === 'client') who?.client()
          if (kind === 'die' && who !== undefined) bury(who)
          if (kind === 'replace' && 'worker' in what && who === undefined) replace(what.worker)
          expect(new Set(workers.flatMap(({ registry }) => registry.sessions)).size).toBeLessThan(2)
        }
        for (const each of workers) each.client()
        take(primaryIs('a', at + 1))
        settle()
        // Those of before may have been on another node, and ended with it.
        for (const each of workers) each.client()
        for (const { registry } of workers) expect(new Set(registry.sessions)).toEqual(new Set(['a']))
      }),
      { numRuns: 300 },
    )
  })
})
