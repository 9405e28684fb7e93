import { describe, expect, it } from 'vitest'
import { Admission, type AdmissionAnswer, type AdmissionSettings, type Applicant } from '../../src/net/admission.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import type { RouteRequest } from '../../src/topology/route-session.ts'
import type { Decision } from '../../src/topology/topology-state.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { decide } from './decision-builder.ts'

const PRIMARY: RouteRequest = { route: 'primary', fallback: 'none', balance: 'least-sessions', maxLagBytes: null }
const STANDBY: RouteRequest = { ...PRIMARY, route: 'standby' }

/** Writes down what becomes of it. */
class FakeApplicant implements Applicant {
  readonly name: string
  readonly request: RouteRequest
  readonly #diary: string[]

  constructor(name: string, request: RouteRequest, diary: string[]) {
    this.name = name
    this.request = request
    this.#diary = diary
  }

  admit(routing: { readonly node: string }): void {
    this.#diary.push(`${this.name} to ${routing.node}`)
  }

  refuse(): void {
    this.#diary.push(`${this.name} refused`)
  }
}

/** Its fencing is whatever the test says. */
class FakeRegistry extends SessionRegistry {
  fence: (decision: Decision) => number = () => 0

  override applyDecision(decision: Decision): number {
    return this.fence(decision)
  }
}

function setUp(settings: Partial<AdmissionSettings> = {}) {
  const clock = new FakeClock(1000)
  const registry = new FakeRegistry()
  const diary: string[] = []
  const admission = new Admission({
    clock,
    registry,
    settings: { holdSessionsMax: 100, releaseRate: 1000, decisionTtlMs: 5000, ...settings },
    events: {
      onFirstRouted: (node, afterDecisionMs) => diary.push(`first on ${node} after ${afterDecisionMs}`),
      onAllReleased: (count) => diary.push(`all ${count} released`),
    },
  })
  const apply = (name: string, request = PRIMARY): AdmissionAnswer['kind'] =>
    admission.seek(new FakeApplicant(name, request, diary)).kind
  return { clock, registry, admission, diary, apply }
}

const onNode = (diary: readonly string[]): string[] => diary.filter((line) => line.includes(' to '))

describe('Admission', () => {
  it('holds everybody before the first decision, and says why', () => {
    const { admission, apply } = setUp()

    expect([apply('a'), apply('b', STANDBY)]).toEqual(['hold', 'hold'])
    expect(admission.heldCount).toBe(2)
    expect(admission.holdReason).toBe('no decision yet')
  })

  it('routes at once while the decision holds', () => {
    const { clock, admission, apply } = setUp()
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))

    expect(apply('a')).toBe('node')
    expect(admission.heldCount).toBe(0)
  })

  it('releases those who wait in the order in which they came', () => {
    const { clock, admission, diary, apply } = setUp()
    for (const name of ['a', 'b', 'c']) apply(name)
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))

    expect(onNode(diary)).toEqual(['a to node1', 'b to node1', 'c to node1'])
    expect(diary.at(-1)).toBe('all 3 released')
  })

  it('fences before it admits: nobody who is moved is routed before the last session of the old node is told', () => {
    const { clock, registry, admission, diary, apply } = setUp()
    apply('held')
    registry.fence = () => {
      // As a session that is moved does in the midst of the fencing.
      diary.push(`moved ${apply('moved')}`)
      diary.push('last one told')
      return 1
    }

    const endedCount = admission.takeDecision(decide({ primary: 'node2', at: clock.now(), ending: ['node1'] }))

    expect(endedCount).toBe(1)
    expect(diary.filter((line) => !line.startsWith('first') && !line.startsWith('all'))).toEqual([
      'moved hold',
      'last one told',
      'held to node2',
      'moved to node2',
    ])
  })

  it('releases at a bounded rate', () => {
    const { clock, admission, diary, apply } = setUp({ releaseRate: 100 })
    for (let count = 0; count < 50; count += 1) apply(`s${count}`)
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))

    // The burst of a twentieth of a second.
    expect(onNode(diary).length).toBe(5)
    clock.advance(100)
    expect(onNode(diary).length).toBe(15)
    clock.advance(350)
    expect(onNode(diary).length).toBe(50)
    expect(diary.at(-1)).toBe('all 50 released')
    expect(clock.pendingCount).toBe(0)
  })

  it('does not start the rate anew with every decision', () => {
    const { clock, admission, diary, apply } = setUp({ releaseRate: 100 })
    for (let count = 0; count < 50; count += 1) apply(`s${count}`)
    for (let turn = 0; turn < 10; turn += 1) {
      admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
      clock.advance(1)
    }

    expect(onNode(diary).length).toBeLessThanOrEqual(6)
  })

  it('lets newcomers queue behind those who wait while a release is under way', () => {
    const { clock, admission, diary, apply } = setUp({ releaseRate: 20 })
    apply('a')
    apply('b')
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    expect(onNode(diary)).toEqual(['a to node1'])

    expect(apply('c')).toBe('hold')
    clock.advance(200)
    expect(onNode(diary)).toEqual(['a to node1', 'b to node1', 'c to node1'])
    expect(apply('d')).toBe('node')
  })

  it('stops a release when the decision is withdrawn or expires', () => {
    const { clock, admission, diary, apply } = setUp({ releaseRate: 20, decisionTtlMs: 60 })
    for (const name of ['a', 'b', 'c', 'd']) apply(name)
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    clock.advance(50)
    expect(onNode(diary).length).toBe(2)

    // Not renewed: the third is due at 100 ms, after the decision has expired.
    clock.advance(1000)
    expect(onNode(diary).length).toBe(2)
    expect(admission.holdReason).toBe('the last decision has expired')

    admission.takeDecision(decide({ primary: null, at: clock.now() }))
    expect([onNode(diary).length, admission.heldCount, clock.pendingCount]).toEqual([2, 2, 0])
  })

  it('holds newcomers when the decision has expired', () => {
    const { clock, admission, apply } = setUp()
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    clock.advance(5000)
    expect(apply('a')).toBe('node')
    clock.advance(1)
    expect(apply('b')).toBe('hold')
  })

  it('holds after a doubt until a proof that was asked for later', () => {
    const { clock, admission, diary, apply } = setUp()
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    clock.advance(10)
    admission.doubt('node1')

    expect(apply('a')).toBe('hold')
    expect(admission.holdReason).toBe('node1 takes no connections')
    // The answer to a question that was asked before, or in the same moment.
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() - 5 }))
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    expect(onNode(diary)).toEqual([])

    clock.advance(1)
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    expect(onNode(diary)).toEqual(['a to node1'])
    expect(apply('b')).toBe('node')
  })

  it('keeps a doubt about a primary that is out of office until it has proven itself', () => {
    const { clock, admission, apply } = setUp()
    admission.doubt('node1')
    clock.advance(60_000)
    admission.takeDecision(decide({ primary: 'node2', at: clock.now() }))
    expect(apply('a')).toBe('node')
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() - 59_999 }))
    expect(admission.holdReason).not.toContain('takes no connections')
  })

  it('leaves a doubted standby out for a while, and takes another', () => {
    const { clock, admission, diary, apply } = setUp()
    const renew = () =>
      admission.takeDecision(decide({ primary: 'node1', at: clock.now(), standbys: ['node2', 'node3'] }))
    renew()
    admission.doubt('node2')
    renew()
    expect(admission.seek(new FakeApplicant('a', STANDBY, diary))).toMatchObject({ node: 'node3' })

    admission.doubt('node3')
    expect(apply('b', STANDBY)).toBe('refuse')
    clock.advance(5001)
    renew()
    expect(apply('c', STANDBY)).toBe('node')
  })

  it('takes a doubted standby again at once when it has answered a question that was asked later', () => {
    const { clock, admission, apply } = setUp()
    const renew = (at: number) => admission.takeDecision(decide({ primary: 'node1', at, standbys: ['node2'] }))
    renew(clock.now())
    admission.doubt('node2')
    clock.advance(20)
    renew(clock.now() - 20)
    expect(apply('a', STANDBY)).toBe('refuse')
    renew(clock.now())
    expect(apply('b', STANDBY)).toBe('node')
  })

  it('takes turns on each listener by itself: a session to write with each one to read does not skip a standby', () => {
    const { clock, admission, diary, apply } = setUp()
    admission.takeDecision(decide({ primary: 'node1', at: clock.now(), standbys: ['node2', 'node3'] }))
    const roundRobin: RouteRequest = { ...STANDBY, balance: 'round-robin' }
    const nodes = [1, 2, 3, 4].map(() => {
      apply('writer')
      const routed = admission.seek(new FakeApplicant('reader', roundRobin, diary))
      return routed.kind === 'node' ? routed.node : routed.kind
    })

    expect(nodes).toEqual(['node2', 'node3', 'node2', 'node3'])
  })

  it('routes readers to a standby that answers while there is no primary, and releases those who waited for one', () => {
    const { clock, admission, diary, apply } = setUp()
    const lost = (standbys: readonly string[]): void => {
      admission.takeDecision(decide({ primary: null, at: clock.now(), standbys }))
    }
    lost([])
    expect([apply('a', STANDBY), apply('writer')]).toEqual(['hold', 'hold'])
    lost(['node2'])

    expect(onNode(diary)).toEqual(['a to node2'])
    expect([apply('b', STANDBY), apply('c')]).toEqual(['node', 'hold'])
    clock.advance(5001)
    expect(apply('d', STANDBY)).toBe('hold')
  })

  it('refuses those who wait for a standby when it turns out that there is none', () => {
    const { clock, admission, diary, apply } = setUp()
    expect(apply('a', STANDBY)).toBe('hold')
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))

    expect(diary).toContain('a refused')
    expect(admission.heldCount).toBe(0)
  })

  it('says that the queue is full when it is, and takes the next one when somebody has left', () => {
    const { admission, diary } = setUp({ holdSessionsMax: 2 })
    const [a, b, c] = ['a', 'b', 'c'].map((name) => new FakeApplicant(name, PRIMARY, diary))
    if (a === undefined || b === undefined || c === undefined) throw new Error('three applicants')

    expect([admission.seek(a).kind, admission.seek(b).kind, admission.seek(c).kind]).toEqual([
      'hold',
      'hold',
      'queue-full',
    ])
    admission.leaveQueue(a)
    admission.leaveQueue(a)
    expect(admission.seek(c).kind).toBe('hold')
    expect(admission.totals).toEqual({ held: 3, released: 0 })
  })

  it('routes to a standby though the queue is full of those who wait for the primary', () => {
    const { clock, admission, apply } = setUp({ holdSessionsMax: 2 })
    apply('a')
    apply('b')
    // The standby is known while there is no primary only in a decision that holds: one of a contested primary.
    admission.takeDecision(decide({ primary: 'node1', at: clock.now(), standbys: ['node2'] }))
    admission.doubt('node1')
    apply('c')
    apply('d')

    expect([apply('e'), apply('f', STANDBY)]).toEqual(['queue-full', 'node'])
  })

  it('routes to a standby at once while sessions for the primary are being released', () => {
    const { clock, admission, apply } = setUp({ releaseRate: 20, holdSessionsMax: 5 })
    for (const name of ['a', 'b', 'c', 'd', 'e']) apply(name)
    admission.takeDecision(decide({ primary: 'node1', at: clock.now(), standbys: ['node2'] }))
    expect(admission.heldCount).toBe(4)
    apply('f')

    expect([apply('g'), apply('h', STANDBY)]).toEqual(['queue-full', 'node'])
  })

  it('tells of the first session after a change of primary, once', () => {
    const { clock, admission, diary, apply } = setUp()
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    clock.advance(7)
    apply('a')
    apply('b')
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    apply('c')
    admission.takeDecision(decide({ primary: 'node2', at: clock.now() }))
    clock.advance(3)
    apply('d')

    expect(diary).toEqual(['first on node1 after 7', 'first on node2 after 3'])
  })

  it('counts as released only those who got a node, not those who left the queue', () => {
    const { clock, admission, diary, apply } = setUp()
    const leaver = new FakeApplicant('leaver', PRIMARY, diary)
    admission.seek(leaver)
    apply('a')
    admission.leaveQueue(leaver)
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))

    expect(diary).toContain('all 1 released')
    expect(admission.totals).toEqual({ held: 2, released: 1 })
  })

  it('takes new settings over without throwing anybody out', () => {
    const { clock, admission, diary, apply } = setUp({ holdSessionsMax: 3 })
    for (const name of ['a', 'b', 'c']) apply(name)
    admission.configure({ holdSessionsMax: 1, releaseRate: 20, decisionTtlMs: 100 })

    expect([admission.heldCount, apply('d')]).toEqual([3, 'queue-full'])
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    expect(onNode(diary)).toEqual(['a to node1'])
  })

  it('releases nobody after it was closed', () => {
    const { clock, admission, diary, apply } = setUp({ releaseRate: 20 })
    for (const name of ['a', 'b']) apply(name)
    admission.takeDecision(decide({ primary: 'node1', at: clock.now() }))
    admission.close()
    clock.advance(10_000)

    expect(onNode(diary)).toEqual(['a to node1'])
    expect(clock.pendingCount).toBe(0)
  })
})
