import { describe, expect, it } from 'vitest'
import { DecisionLog, FAILING_NODES_MAX } from '../../src/daemon/decision-log.ts'
import type { FailureClass, Observation } from '../../src/topology/observation.ts'
import type { Decision } from '../../src/topology/topology-state.ts'
import { decide } from '../net/decision-builder.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'
import { answerOf, member } from '../topology/scenario.ts'

const SERVING = decide({ primary: 'node1', at: 0 })
const NODE1 = member('node1')

function setUp() {
  const log = createMemoryLog()
  const clock = new FakeClock()
  return { ...log, clock, decisionLog: new DecisionLog(log.logger, clock) }
}

const failed = (failure: FailureClass, at = 1): Observation => ({
  kind: 'failed',
  sentAt: at - 1,
  receivedAt: at,
  failure,
  detail: `it was ${failure}`,
})
const answered: Observation = { kind: 'answered', sentAt: 0, receivedAt: 1, answer: answerOf('P1', NODE1, [NODE1]) }

describe('DecisionLog', () => {
  it('writes one line for each change of the decision, with its sentence, and none for repetitions', () => {
    const { decisionLog, news, lines } = setUp()
    for (let count = 0; count < 3; count += 1) decisionLog.takeDecision(SERVING, 0, true)
    expect(news()).toEqual(['info decision'])
    expect(lines[0]).toMatchObject({ state: 'serving', primary: 'node1', reason: 'node1 is primary', sessionsEnded: 0 })

    decisionLog.takeDecision(decide({ primary: null, at: 0, reason: 'node1 does not answer' }), 0, true)
    decisionLog.takeDecision(decide({ primary: null, at: 0, reason: 'node1 does not answer' }), 0, true)
    decisionLog.takeDecision(decide({ primary: 'node2', at: 0 }), 4, true)
    expect(news()).toEqual(['warn decision', 'info decision'])
    expect(lines.at(-1)).toMatchObject({ primary: 'node2', sessionsEnded: 4 })
  })

  it.each<[Decision['kind'], string]>([
    ['serving', 'info'],
    ['uncertain', 'warn'],
    ['no-primary', 'warn'],
    ['split-brain', 'error'],
  ])('writes %s at level %s, and at info before everybody was asked', (kind, level) => {
    const { decisionLog, news } = setUp()
    decisionLog.takeDecision({ ...SERVING, kind, reason: 'a' }, 0, false)
    decisionLog.takeDecision({ ...SERVING, kind, reason: 'b' }, 0, true)

    expect(news()).toEqual(['info decision', `${level} decision`])
  })

  it('says that sessions were ended also when the sentence stays the same', () => {
    const { decisionLog, news, lines } = setUp()
    decisionLog.takeDecision(SERVING, 0, true)
    decisionLog.takeDecision(SERVING, 2, true)

    expect(news()).toEqual(['info decision', 'warn sessions ended'])
    expect(lines.at(-1)).toMatchObject({ sessionsEnded: 2 })
  })

  it('writes each warning when it comes and when it goes, once', () => {
    const { decisionLog, news, lines } = setUp()
    const warnings = (...texts: string[]): Decision => ({ ...SERVING, warnings: texts })
    for (const decision of [warnings('a'), warnings('a'), warnings('a', 'b'), warnings('b'), warnings('b')]) {
      decisionLog.takeDecision(decision, 0, true)
    }

    expect(news()).toEqual(['info decision', 'warn warning', 'warn warning', 'info warning over'])
    expect(lines.slice(1).map(({ warning }) => warning)).toEqual(['a', 'b', 'a'])
  })

  it('writes the first failed probe of each kind, and how many there were when the node answers again', () => {
    const { decisionLog, news, lines } = setUp()
    decisionLog.takeObservation('node1', answered)
    expect(news()).toEqual([])
    for (let count = 0; count < 100; count += 1) decisionLog.takeObservation('node1', failed('timeout'))
    expect(news()).toEqual(['info probe failed'])
    decisionLog.takeObservation('node1', failed('refused'))
    decisionLog.takeObservation('node1', failed('refused'))
    decisionLog.takeObservation('node2', answered)
    decisionLog.takeObservation('node1', answered)

    expect(news()).toEqual(['info probe failed', 'info node answers again'])
    expect(lines.at(-1)).toMatchObject({ node: 'node1', failure: 'refused', probesFailed: 102, forMs: 0 })
  })
  it('says that a node still fails after one minute, two, four and so on up to an hour, with counts', () => {
    const { decisionLog, news, lines } = setUp()
    const dayMs = 24 * 3_600_000
    for (let at = 0; at < dayMs; at += 10_000) decisionLog.takeObservation('node1', failed('timeout', at))

    const reminders = lines.filter(({ msg }) => msg === 'node still fails').map(({ forMs }) => Number(forMs) / 60_000)
    expect(reminders.slice(0, 8)).toEqual([1, 3, 7, 15, 31, 63, 123, 183])
    expect(news().length).toBeLessThan(32)
    expect(lines[1]).toMatchObject({ node: 'node1', failure: 'timeout', probesFailed: 7, detail: 'it was timeout' })
  })

  it('writes no line for each probe when the classes of failure alternate', () => {
    const { decisionLog, news } = setUp()
    for (let at = 0; at < 50_000; at += 50) {
      decisionLog.takeObservation('node1', failed(at % 100 === 0 ? 'timeout' : 'refused', at))
    }
    expect(news()).toEqual(['info probe failed', 'info probe failed'])
  })
  it('does not fill the log with a node that answers every second probe: ten lines a minute, the rest is counted', () => {
    const { decisionLog, news, lines } = setUp()
    for (let at = 0; at < 60_000; at += 100) {
      decisionLog.takeObservation('node1', at % 200 === 0 ? failed('timeout', at) : { ...answered, receivedAt: at })
    }
    expect(news().filter((line) => line.startsWith('info'))).toHaveLength(10)

    decisionLog.takeObservation('node1', failed('timeout', 60_000))
    expect(news()).toEqual(['info probe failed'])
    expect(lines.at(-1)).toMatchObject({ untold: 590 })
  })

  it('does not fill the log with a warning that comes and goes', () => {
    const { clock, decisionLog, news, lines } = setUp()
    for (let turn = 0; turn < 600; turn += 1) {
      decisionLog.takeDecision({ ...SERVING, warnings: turn % 2 === 0 ? ['a'] : [] }, 0, true)
      clock.advance(100)
    }
    expect(news().filter((line) => !line.startsWith('debug'))).toHaveLength(11)

    decisionLog.takeDecision({ ...SERVING, warnings: ['a', 'b'] }, 0, true)
    expect(news()).toEqual(['warn warning', 'warn warning'])
    expect(lines.at(-2)).toMatchObject({ warning: 'a', untold: 590 })
  })

  it('remembers no more failing nodes than there can be, however many come and go', () => {
    const { decisionLog, lines } = setUp()
    for (let index = 0; index <= FAILING_NODES_MAX; index += 1)
      decisionLog.takeObservation(`node${index}`, failed('dns'))
    decisionLog.takeObservation('node0', answered)
    decisionLog.takeObservation(`node${FAILING_NODES_MAX}`, answered)

    const again = lines.filter(({ msg }) => msg === 'node answers again').map(({ node }) => node)
    expect(again).toEqual([`node${FAILING_NODES_MAX}`])
  })
})
