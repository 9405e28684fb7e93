/**
 * P6, every decision can be explained: one sentence, the same in the log and in the status, at every step of a failover;
 * and /readyz follows it.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { Scene, tellOnFailure } from './scene.ts'

let scene: Scene

afterEach(async () => {
  await scene.close()
})

/** What the three witnesses say at one moment that has settled. */
async function explain() {
  const { state, primary, reason, nodes } = await scene.status()
  const ready = await scene.proxy.get('/readyz')
  const last = scene.decisions().at(-1)
  expect([last?.['state'], last?.['primary'], last?.['reason']]).toEqual([state, primary, reason])
  expect(await ready.json()).toEqual({ ready: ready.status === 200, state, primary, reason })
  return {
    readyz: ready.status,
    state,
    primary,
    reason,
    roles: Object.fromEntries(nodes.map((node) => [node.name, node.role])),
    problems: Object.fromEntries(
      nodes.filter((node) => node.problem !== null).map((node) => [node.name, node.problem]),
    ),
  }
}

describe('at every step of a failover', () => {
  it('the log, the status and /readyz say the same, with what each node was seen to be', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    const seen = new Set<string>()
    const watch = setInterval(() => {
      scene.status().then(
        ({ reason }) => seen.add(reason),
        () => {},
      )
    }, 5)
    try {
      expect(await explain()).toEqual({
        readyz: 200,
        state: 'serving',
        primary: 'node1',
        reason: 'node1 is primary on timeline 1',
        roles: { node1: 'primary', node2: 'standby' },
        problems: {},
      })

      await node1.kill()
      await scene.waitForStatus('the loss', ({ state }) => state !== 'serving')
      expect(await explain()).toMatchObject({
        readyz: 503,
        primary: null,
        reason: expect.stringContaining('node1, primary on timeline 1, refuses connections'),
        roles: { node1: 'unreachable', node2: 'standby' },
        problems: { node1: expect.stringContaining('ECONNREFUSED') },
      })

      await scene.promote('node2')
      await scene.waitUntilServing('node2')
      await scene.waitForStatus('the new rows', ({ nodes }) =>
        nodes.some(({ name, problem }) => name === 'node2' && problem === null),
      )
      expect(await explain()).toMatchObject({
        readyz: 200,
        primary: 'node2',
        reason: 'node2 is primary on timeline 2',
        roles: { node1: 'unreachable', node2: 'primary' },
      })

      await node1.start()
      await scene.waitForRole('node1', 'stale-primary')
      expect(await explain()).toMatchObject({
        readyz: 200,
        primary: 'node2',
        problems: { node1: 'claims to be primary on timeline 1, below the accepted 2: it is fenced, rejoin it' },
      })

      await node2.freeze()
      await scene.waitForStatus('the silence', ({ primary }) => primary === null)
      expect(await explain()).toMatchObject({
        readyz: 503,
        reason: expect.stringContaining('node2'),
        problems: { node2: expect.stringContaining('does not answer') },
      })
      node2.thaw()
      await scene.waitUntilServing('node2')
      await explain()
    } finally {
      clearInterval(watch)
    }
    const told = new Set(scene.decisions().map((record) => record['reason']))
    expect([...seen].filter((reason) => !told.has(reason))).toEqual([])
    expect(seen.size).toBeGreaterThanOrEqual(4)
  })

  it('each sentence is told once, however often it is decided', async () => {
    scene = await Scene.open({ nodes: 2, proxy: { monitor: { interval: '50ms' } } })
    tellOnFailure(() => scene)
    const since = scene.proxy.log.length
    let answers = 0
    let lastAge = Number.POSITIVE_INFINITY
    await scene.waitForStatus('twenty more answers of node1', ({ nodes }) => {
      const age = nodes.find(({ name }) => name === 'node1')?.lastSeenMs ?? Number.POSITIVE_INFINITY
      // An answer that is younger than the one before is another one; each leads to a decision.
      if (age < lastAge) answers += 1
      lastAge = age
      return answers > 20
    })
    expect(scene.decisions(since)).toEqual([])
  })
})
