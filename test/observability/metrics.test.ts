import { describe, expect, it } from 'vitest'
import { CLOSE_REASON_KINDS } from '../../src/session/close-reason.ts'
import { countSessions } from '../../src/session/session-figures.ts'
import { FAILURE_CLASSES } from '../../src/topology/observation.ts'
import { PINNED } from '../topology/scenario.ts'
import { LISTENER, setUpMetrics } from './metrics-rig.ts'

const NO_TRAFFIC = { fromClient: 0, toClient: 0 }

/** node1 is primary, node2 streams from it; both have been asked and the primary is accepted. */
async function serving() {
  const rig = setUpMetrics({ node1: 'P1+', node2: 'S1<node1' })
  await rig.clock.advanceSettled(100)
  return rig
}

/** The primary refuses; the loss is decided. */
async function loseNode1(rig: Awaited<ReturnType<typeof serving>>) {
  rig.say('node1', 'R')
  await rig.clock.advanceSettled(1000)
  rig.say('node2', 'S?')
  await rig.clock.advanceSettled(100)
}

async function promoteNode2(rig: Awaited<ReturnType<typeof serving>>) {
  rig.say('node2', 'P2+')
  await rig.clock.advanceSettled(50)
}

describe('the state', () => {
  it('is told from the first scrape on, before anything was decided', async () => {
    const rig = setUpMetrics({ node1: 'P1+' })
    const page = await rig.scrape()

    expect(page.which('pgha_decision_state', 'state')).toBe('no-primary')
    expect(page.which('pgha_node_role', 'role', { node: 'node1' })).toBe('unknown')
    expect(page.value('pgha_node_up', { node: 'node1' })).toBe(0)
    expect(page.value('pgha_epoch_timeline')).toBe(0)
    for (const name of ['pgha_primary_info', 'pgha_primary_proof_age_seconds', 'pgha_node_timeline']) {
      expect(page.select(name), name).toEqual([])
    }
  })

  it('is one state, and one role for each node', async () => {
    const rig = await serving()
    const page = await rig.scrape()

    expect(page.which('pgha_decision_state', 'state')).toBe('serving')
    expect(page.value('pgha_decision_state')).toBe(1)
    expect(page.which('pgha_node_role', 'role', { node: 'node1' })).toBe('primary')
    expect(page.which('pgha_node_role', 'role', { node: 'node2' })).toBe('standby')
    expect(page.value('pgha_node_role')).toBe(2)
  })

  it('says who is primary, on which timeline, how old the proof is, and since when', async () => {
    const rig = await serving()
    const before = await rig.scrape()
    rig.clock.advance(250)
    const page = await rig.scrape()

    expect(page.which('pgha_primary_info', 'node')).toBe('node1')
    expect([page.value('pgha_epoch_timeline'), page.value('pgha_node_timeline', { node: 'node2' })]).toEqual([1, 1])
    const age = (seen: typeof page) => seen.value('pgha_primary_proof_age_seconds', { node: 'node1' }) ?? Number.NaN
    expect(age(page)).toBeCloseTo(age(before) + 0.25, 6)
    expect(page.value('pgha_decision_changed_timestamp_seconds')).toBe(Date.parse('2026-01-01T00:00:01Z') / 1000)
  })

  it('has no primary and no proof any more when the primary is lost', async () => {
    const rig = await serving()
    await loseNode1(rig)
    const page = await rig.scrape()

    expect(page.which('pgha_decision_state', 'state')).toBe('no-primary')
    expect([...page.select('pgha_primary_info'), ...page.select('pgha_primary_proof_age_seconds')]).toEqual([])
    expect([page.value('pgha_node_up', { node: 'node1' }), page.value('pgha_ready')]).toEqual([0, 0])
    expect(page.value('pgha_node_last_answer_age_seconds', { node: 'node1' })).toBeGreaterThan(0.5)
  })

  it('names an old primary that came back', async () => {
    const rig = await serving()
    await loseNode1(rig)
    await promoteNode2(rig)
    rig.say('node1', 'P1+')
    await rig.clock.advanceSettled(1000)
    const page = await rig.scrape()

    expect(page.which('pgha_node_role', 'role', { node: 'node1' })).toBe('stale-primary')
    expect(page.value('pgha_node_up', { node: 'node1' })).toBe(1)
    expect(page.value('pgha_warnings')).toBe(rig.health.snapshot.decision?.warnings.length)
    expect(page.value('pgha_warnings')).toBeGreaterThan(0)
  })
})

describe('probes', () => {
  it('are timed when they are answered, and counted by class when they are not', async () => {
    const rig = await serving()
    const before = await rig.scrape()
    expect(before.value('pgha_probe_failures_total')).toBe(0)
    await loseNode1(rig)
    const page = await rig.scrape()

    const refused = page.value('pgha_probe_failures_total', { node: 'node1', class: 'refused' })
    expect(refused).toBeGreaterThan(1)
    expect(page.value('pgha_probe_failures_total')).toBe(refused)
    const counted = (seen: typeof page, node: string) => seen.value('pgha_probe_duration_seconds_count', { node })
    expect(counted(page, 'node1')).toBe(counted(before, 'node1'))
    expect(counted(page, 'node2')).toBeGreaterThan(counted(before, 'node2') ?? 0)
  })

  it('have a series for each class before the first failure, so that it is an increase', async () => {
    const page = await (await serving()).scrape()
    const classes = page.select('pgha_probe_failures_total', { node: 'node2' }).map(({ labels }) => labels['class'])

    expect(classes).toEqual([...FAILURE_CLASSES])
  })
})

describe('a node that leaves the cluster', () => {
  it('leaves no series behind, also when a dial to it ends later', async () => {
    const rig = await serving()
    rig.metrics.takeDial('node2', null)
    expect((await rig.text()).includes('node2')).toBe(true)
    rig.health.configure({ ...rig.settings, nodes: rig.settings.nodes.slice(0, 1) }, { renewProbers: false })
    rig.metrics.takeDial('node2', 'ECONNREFUSED')
    await rig.clock.advanceSettled(100)

    expect((await rig.text()).split('\n').filter((line) => line.includes('node2'))).toEqual([])
    expect((await rig.scrape()).which('pgha_primary_info', 'node')).toBe('node1')
  })

  it('begins anew when it comes back', async () => {
    const rig = await serving()
    rig.metrics.takeDial('node2', null)
    rig.health.configure({ ...rig.settings, nodes: rig.settings.nodes.slice(0, 1) }, { renewProbers: false })
    await rig.scrape()
    rig.health.configure(rig.settings, { renewProbers: false })
    await rig.clock.advanceSettled(100)

    expect((await rig.scrape()).value('pgha_dials_total', { node: 'node2' })).toBe(0)
  })
})

describe('a failover', () => {
  it('is counted and timed: from the last proof to the acceptance, and to the first of those who waited', async () => {
    const rig = await serving()
    await loseNode1(rig)
    const waiter = rig.come()
    expect(waiter.node).toBeNull()
    await rig.clock.advanceSettled(2000)
    await promoteNode2(rig)
    const page = await rig.scrape()

    expect(waiter.node).toBe('node2')
    expect(page.value('pgha_failovers_total')).toBe(1)
    expect(page.value('pgha_failover_duration_seconds_count')).toBe(1)
    expect(page.value('pgha_failover_duration_seconds_sum')).toBeGreaterThan(3)
    expect(page.value('pgha_failover_duration_seconds_sum')).toBeLessThan(4)
    expect(page.value('pgha_failover_first_session_seconds_count')).toBe(1)
    expect(page.value('pgha_failover_first_session_seconds_sum')).toBeLessThan(0.05)
    expect(page.value('pgha_epoch_timeline')).toBe(2)
  })

  it('has no time to the first session when nobody waited: it would be the clients’ own', async () => {
    const rig = await serving()
    await loseNode1(rig)
    await promoteNode2(rig)
    await rig.clock.advanceSettled(60_000)
    expect(rig.come().node).toBe('node2')
    const page = await rig.scrape()

    expect([page.value('pgha_failovers_total'), page.value('pgha_failover_first_session_seconds_count')]).toEqual([
      1, 0,
    ])
  })

  it('is none when the same primary is back, and none when the first one is accepted', async () => {
    const rig = await serving()
    await loseNode1(rig)
    rig.say('node1', 'P1+r2')
    await rig.clock.advanceSettled(1000)
    const page = await rig.scrape()

    expect(page.which('pgha_primary_info', 'node')).toBe('node1')
    expect([page.value('pgha_failovers_total'), page.value('pgha_failover_duration_seconds_count')]).toEqual([0, 0])
  })

  it('is counted and not timed when the proxy was started in the middle of it', async () => {
    const epoch = { systemIdentifier: PINNED, timelineId: 1, node: 'node1', at: '2025-12-31T00:00:00.000Z' }
    const rig = setUpMetrics({ node1: 'R', node2: 'P2+' }, { epoch, fenced: [] })
    await rig.clock.advanceSettled(3000)
    const page = await rig.scrape()

    expect(page.which('pgha_primary_info', 'node')).toBe('node2')
    expect([page.value('pgha_failovers_total'), page.value('pgha_failover_duration_seconds_count')]).toEqual([1, 0])
  })

  it('that cannot be put to disk shows as failures to write', async () => {
    const rig = await serving()
    await loseNode1(rig)
    rig.store.mode = 'fails'
    await promoteNode2(rig)
    await rig.clock.advanceSettled(200)
    const page = await rig.scrape()

    expect(page.value('pgha_epoch_write_failures_total')).toBeGreaterThan(1)
    expect([page.value('pgha_failovers_total'), page.value('pgha_ready')]).toEqual([0, 0])
  })
})

describe('the hold queue', () => {
  it('tells how long each waited, by how the wait ended', async () => {
    const rig = await serving()
    await loseNode1(rig)
    const stays = rig.come()
    const leaves = rig.come()
    await rig.clock.advanceSettled(400)
    rig.admission.leaveQueue(leaves)
    rig.admission.leaveQueue(leaves)
    await rig.clock.advanceSettled(600)
    await promoteNode2(rig)
    const page = await rig.scrape()

    expect(stays.node).toBe('node2')
    const waits = (outcome: string) =>
      ['count', 'sum'].map((part) => page.value(`pgha_hold_wait_seconds_${part}`, { outcome }))
    expect(waits('ended')).toEqual([1, 0.4])
    expect(waits('refused')).toEqual([0, 0])
    const [count, sum] = waits('routed')
    expect(count).toBe(1)
    expect(sum).toBeGreaterThanOrEqual(1)
  })

  it('counts nobody who was routed at once', async () => {
    const rig = await serving()
    expect(rig.come().node).toBe('node1')

    expect((await rig.scrape()).value('pgha_hold_wait_seconds_count')).toBe(0)
  })
})

describe('sessions', () => {
  it('are counted by listener and node, those without a node and those held apart', async () => {
    const rig = await serving()
    const session = (node: string | null, phase: 'greeting' | 'held' | 'relaying', listener = LISTENER) =>
      ({ listener, node, phase, traffic: { fromClient: 10, toClient: 20 } }) as const
    rig.showSessions(
      countSessions(
        [
          session('node1', 'relaying'),
          session('node1', 'relaying'),
          session('node9', 'relaying', 'gone:5433'),
          session(null, 'greeting'),
          session(null, 'held'),
        ],
        { fromClient: 5, toClient: 5 },
      ),
    )
    const page = await rig.scrape()

    const table = page.select('pgha_sessions').map(({ labels, value }) => [labels['listener'], labels['node'], value])
    expect(table).toEqual([
      [LISTENER, 'node1', 2],
      [LISTENER, 'node2', 0],
      [LISTENER, '', 1],
      ['gone:5433', 'node9', 1],
    ])
    expect(page.value('pgha_sessions_held', { listener: LISTENER })).toBe(1)
    expect(page.value('pgha_client_bytes_total', { direction: 'from-client' })).toBe(55)
    expect(page.value('pgha_client_bytes_total', { direction: 'to-client' })).toBe(105)
  })

  it('never take bytes back: a socket that breaks forgets what it had not sent', async () => {
    const rig = await serving()
    const bytes = async (toClient: number) => {
      rig.showSessions(countSessions([], { ...NO_TRAFFIC, toClient }))
      return (await rig.scrape()).value('pgha_client_bytes_total', { direction: 'to-client' })
    }

    expect([await bytes(100), await bytes(60), await bytes(110)]).toEqual([100, 100, 110])
  })

  it('have a counter for every close reason from the start', async () => {
    const page = await (await serving()).scrape()
    const reasons = page.select('pgha_sessions_ended_total').map(({ labels, value }) => `${labels['reason']} ${value}`)

    expect(reasons).toEqual(CLOSE_REASON_KINDS.map((kind) => `${kind} 0`))
  })
})

describe('dials', () => {
  it.each([
    [null, 'connected'],
    ['ECONNREFUSED', 'refused'],
    ['ENOENT', 'refused'],
    ['ECONNRESET', 'reset'],
    ['ETIMEDOUT', 'timeout'],
    ['EHOSTUNREACH', 'unreachable'],
    ['ENOTFOUND', 'dns'],
    ['EAI_AGAIN', 'dns'],
    ['EMFILE', 'error'],
    ['ESOMETHINGNEW', 'error'],
  ])('that end with %s are %s', async (errno, result) => {
    const rig = await serving()
    rig.metrics.takeDial('node1', errno)
    const page = await rig.scrape()

    expect(page.which('pgha_dials_total', 'result', { node: 'node1' })).toBe(result)
    expect(page.value('pgha_dials_total')).toBe(1)
  })
})

describe('reloads', () => {
  it('say whether the last one was taken over, and when the configuration in force was', async () => {
    const rig = await serving()
    const [successful, at] = ['pgha_config_last_reload_successful', 'pgha_config_last_reload_success_timestamp_seconds']
    const start = (await rig.scrape()).value(at) ?? Number.NaN
    rig.clock.advance(5000)
    rig.metrics.takeReload(false)
    const failed = await rig.scrape()
    expect([failed.value(successful), failed.value(at)]).toEqual([0, start])
    rig.metrics.takeReload(true)
    const page = await rig.scrape()

    expect([page.value(successful), page.value(at)]).toEqual([1, start + 5.1])
    expect(page.value('pgha_config_reloads_total', { result: 'failure' })).toBe(1)
    expect(page.value('pgha_config_reloads_total', { result: 'success' })).toBe(1)
  })
})

describe('a scrape', () => {
  it('says the same as another one of the same moment', async () => {
    const rig = await serving()
    const [first, second] = await Promise.all([rig.text(), rig.text()])

    expect(first).toBe(second)
  })

  it('that fails does not spoil the next one', async () => {
    const rig = await serving()
    const before = await rig.text()
    rig.showSessions({ ...countSessions([], NO_TRAFFIC), active: null as never })
    await expect(rig.text()).rejects.toThrow()
    rig.showSessions(countSessions([], NO_TRAFFIC))

    expect(await rig.text()).toBe(before)
  })
})
