import { describe, expect, it } from 'vitest'
import { HINTED_PROBE_GAP_MS, NodeLoop } from '../../src/probe/node-loop.ts'
import type { Observation } from '../../src/topology/observation.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { member } from '../topology/scenario.ts'
import { FakeProber } from './fake-prober.ts'

const FAST_INTERVAL_MS = 50

function setUp(options: { intervalMs?: () => number; says?: string | null } = {}) {
  const clock = new FakeClock()
  const node = member('node1')
  const prober = new FakeProber({ node, members: [node], now: clock.now, says: options.says ?? null })
  const observations: Observation[] = []
  const loop = new NodeLoop({
    prober,
    clock,
    intervalMs: options.intervalMs ?? (() => 500),
    fastIntervalMs: () => FAST_INTERVAL_MS,
    onObservation: (observation) => observations.push(observation),
  })
  return { clock, prober, observations, loop }
}

describe('NodeLoop', () => {
  it('probes at once, then at its pace, counted from start to start', async () => {
    const { clock, prober, loop } = setUp()
    loop.start()
    expect(prober.asked.length).toBe(1)
    await clock.advanceSettled(120)
    prober.say('P1')
    await settled()

    expect(clock.nextInMs).toBe(380)
    await clock.advanceSettled(379)
    expect(prober.asked.length).toBe(1)
    await clock.advanceSettled(1)
    expect(prober.asked.length).toBe(2)
    await loop.stop()
  })

  it('probes again at once after a probe that took longer than the pace, and never two at a time', async () => {
    const { clock, prober, observations, loop } = setUp()
    loop.start()
    await clock.advanceSettled(5000)
    expect(prober.asked.length).toBe(1)
    prober.say('P1')
    await settled()
    expect(clock.nextInMs).toBe(0)
    await clock.advanceSettled(0)

    expect([prober.asked.length, observations.length]).toEqual([2, 2])
    await loop.stop()
  })

  it('asks for its pace anew each time', async () => {
    let intervalMs = 500
    const { clock, prober, loop } = setUp({ intervalMs: () => intervalMs, says: 'P1' })
    loop.start()
    await settled()
    intervalMs = 50
    await clock.advanceSettled(500)
    expect(prober.asked.length).toBe(2)
    await clock.advanceSettled(200)
    expect(prober.asked.length).toBe(6)
    await loop.stop()
  })

  it('waits no longer than the new pace says when it is told of it', async () => {
    let intervalMs = 500
    const { clock, prober, loop } = setUp({ intervalMs: () => intervalMs, says: 'P1' })
    loop.start()
    await clock.advanceSettled(100)
    intervalMs = 50
    loop.repace()
    await clock.advanceSettled(0)

    expect(prober.asked.length).toBe(2)
    await loop.stop()
  })

  it('probes at once after a hint, and at no more than the fast pace for as long as hints come', async () => {
    const { clock, prober, loop } = setUp({ says: 'P1' })
    loop.start()
    await clock.advanceSettled(100)
    for (let count = 0; count < 1000; count += 1) loop.hint({ fresh: false })
    await clock.advanceSettled(0)
    expect(prober.asked.length).toBe(2)

    for (let elapsed = 0; elapsed < 500; elapsed += 1) {
      loop.hint({ fresh: false })
      await clock.advanceSettled(1)
    }
    expect(prober.asked.length).toBe(2 + 500 / FAST_INTERVAL_MS)
    await loop.stop()
  })

  it('lets a first hint wait for the least gap only', async () => {
    const { clock, prober, loop } = setUp({ says: 'P1' })
    loop.start()
    await settled()
    loop.hint({ fresh: false })
    await clock.advanceSettled(HINTED_PROBE_GAP_MS - 1)
    expect(prober.asked.length).toBe(1)
    await clock.advanceSettled(1)
    expect(prober.asked.length).toBe(2)
    await loop.stop()
  })

  it('follows a probe that was under way at the hint with another one', async () => {
    const { clock, prober, loop } = setUp()
    loop.start()
    await clock.advanceSettled(20)
    loop.hint({ fresh: false })
    expect(prober.asked.length).toBe(1)
    prober.say('P1')
    await settled()
    await clock.advanceSettled(0)

    expect(prober.asked.length).toBe(2)
    await clock.advanceSettled(100)
    expect(prober.asked.length).toBe(2)
    await loop.stop()
  })

  it('asks over a fresh connection once, when any of the hints wanted that', async () => {
    const { clock, prober, loop } = setUp({ says: 'P1' })
    loop.start()
    await clock.advanceSettled(100)
    loop.hint({ fresh: true })
    loop.hint({ fresh: false })
    await clock.advanceSettled(600)

    expect(prober.asked).toEqual([false, true, false])
    await loop.stop()
  })

  it('leaves no timer and reports nothing after it was stopped, also of a probe under way', async () => {
    const { clock, prober, observations, loop } = setUp()
    loop.start()
    await loop.stop()
    prober.say('P1')
    await settled()
    loop.hint({ fresh: true })
    loop.repace()
    await clock.advanceSettled(10_000)

    expect(observations).toEqual([])
    expect([prober.isClosed, prober.asked.length, clock.pendingCount]).toEqual([true, 1, 0])
  })

  it('may be stopped by what it reports', async () => {
    const clock = new FakeClock()
    const node = member('node1')
    const prober = new FakeProber({ node, members: [node], now: clock.now, says: 'P1' })
    const loop = new NodeLoop({
      prober,
      clock,
      intervalMs: () => 50,
      fastIntervalMs: () => 50,
      onObservation: () => void loop.stop(),
    })
    loop.start()
    await clock.advanceSettled(1000)

    expect([prober.asked.length, clock.pendingCount]).toEqual([1, 0])
  })
})
