import { describe, expect, it } from 'vitest'
import type { Epoch } from '../../src/topology/topology-state.ts'
import { settled } from '../support/fake-clock.ts'
import { member, PINNED } from '../topology/scenario.ts'
import { FAST_INTERVAL_MS, INTERVAL_MS, setUpHealthLoop } from './health-loop-setup.ts'

const HEALTHY = { node1: 'P1+', node2: 'S1<node1', node3: 'S1<node1' }
const EPOCH: Epoch = { systemIdentifier: PINNED, timelineId: 1, node: 'node1', at: '2025-12-31T00:00:00.000Z' }
const KNOWN = { epoch: EPOCH, fenced: [] }

describe('HealthLoop', () => {
  it('puts the epoch to disk before the decision that admits is published', async () => {
    const { clock, loop, diary } = setUpHealthLoop({ says: HEALTHY })
    loop.start()
    await clock.advanceSettled(1)

    expect(diary).toEqual(['hold', 'accepting node1', 'saved 1 node1', 'told of 1 node1', 'node1'])
    await loop.stop()
  })

  it('admits nobody while the disk hangs, however long, and asks it once only', async () => {
    const { clock, store, loop, diary, decisions } = setUpHealthLoop({ says: HEALTHY })
    store.mode = 'hangs'
    loop.start()
    await clock.advanceSettled(10_000)
    expect(decisions.every((decision) => decision.primary === null)).toBe(true)
    expect(store.saved).toEqual([])

    store.resume()
    await settled()
    expect(diary.slice(-3)).toEqual(['saved 1 node1', 'told of 1 node1', 'node1'])
    expect(store.saved.length).toBe(1)
    await loop.stop()
  })

  it('admits nobody while the disk fails, says so, and tries again at the next observation', async () => {
    const { clock, store, loop, diary, decisions } = setUpHealthLoop({ says: HEALTHY })
    store.mode = 'fails'
    loop.start()
    await clock.advanceSettled(1000)
    expect(decisions.every((decision) => decision.primary === null)).toBe(true)
    expect(diary).toContain('node1 not saved: no space left on device')

    store.mode = 'works'
    await clock.advanceSettled(FAST_INTERVAL_MS)
    expect(diary.slice(-3)).toEqual(['saved 1 node1', 'told of 1 node1', 'node1'])
    await loop.stop()
  })

  it('serves the primary of the last epoch without writing anything', async () => {
    const { clock, store, loop, diary } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(1)

    expect(diary).toEqual(['hold', 'node1'])
    expect(store.saved).toEqual([])
    await loop.stop()
  })

  it('does not let a node that is silent delay the others', async () => {
    const setup = setUpHealthLoop({ says: { ...HEALTHY, node3: null }, restored: KNOWN })
    const { clock, loop, prober } = setup
    loop.start()
    await clock.advanceSettled(FAST_INTERVAL_MS * 10)

    expect(prober('node1').asked.length).toBe(11)
    expect(prober('node2').asked.length).toBe(11)
    expect(prober('node3').asked.length).toBe(1)
    await loop.stop()
  })

  it('probes at the fast pace at first, at the steady one when all is well, and fast again at a doubt', async () => {
    const { clock, loop, prober, say, timesAsked } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(1000)
    expect(prober('node1').asked.length).toBe(1 + 1000 / FAST_INTERVAL_MS)

    await clock.advanceSettled(12_000)
    const before = timesAsked()
    await clock.advanceSettled(10 * INTERVAL_MS)
    expect(timesAsked() - before).toBe(3 * 10)

    // All nodes are asked at the fast pace within one steady interval of the doubt.
    say('node1', 'T')
    await clock.advanceSettled(INTERVAL_MS + 1)
    const counts = prober('node2').asked.length
    await clock.advanceSettled(10 * FAST_INTERVAL_MS)
    expect(prober('node2').asked.length - counts).toBe(10)
    await loop.stop()
  })

  it('follows a promotion: holds, puts the new epoch to disk, then admits', async () => {
    const { clock, loop, diary, say } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(1000)
    say('node1', 'R')
    say('node3', 'S1<node2')
    await clock.advanceSettled(200)
    say('node2', 'P2+')
    await clock.advanceSettled(100)

    expect(diary).toEqual(['hold', 'node1', 'hold', 'accepting node2', 'saved 2 node2', 'told of 2 node2', 'node2'])
    await loop.stop()
  })

  it('starts a probe at once for a hint, over a fresh connection if that is wanted', async () => {
    const { clock, loop, prober } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(15_100)
    const before = prober('node1').asked.length
    loop.hint('node1', { fresh: true })
    loop.hint('nobody', { fresh: true })
    await clock.advanceSettled(0)

    expect(prober('node1').asked.length).toBe(before + 1)
    expect(prober('node1').asked.at(-1)).toBe(true)
    await loop.stop()
  })

  it('leaves no timer, probes nobody and decides nothing after it was stopped', async () => {
    const { clock, store, loop, diary, made, timesAsked } = setUpHealthLoop({ says: HEALTHY })
    store.mode = 'hangs'
    loop.start()
    await clock.advanceSettled(100)
    await loop.stop()
    const [before, asked] = [diary.length, timesAsked()]
    store.resume()
    await settled()
    loop.hintAll()
    await clock.advanceSettled(10_000)

    expect(diary.slice(before)).toEqual(['saved 1 node1'])
    expect([timesAsked(), clock.pendingCount]).toEqual([asked, 0])
    expect(made.every((prober) => prober.isClosed)).toBe(true)
  })
})

describe("an operator's order", () => {
  it('to fence is on disk before it is acted on', async () => {
    const { clock, store, loop, diary } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(100)
    store.mode = 'hangs'
    const order = loop.fence('node1')
    await clock.advanceSettled(1000)
    expect(diary.at(-1)).toBe('node1')

    store.resume()
    expect(await order).toMatchObject({ ok: true })
    expect(diary.slice(-2)).toEqual(['saved 1 node1', 'hold'])
    expect(store.saved.at(-1)?.fenced).toEqual(['node1'])
    await loop.stop()
  })

  it('to unfence lets the node serve again', async () => {
    const restored = { epoch: EPOCH, fenced: ['node1'] }
    const { clock, store, loop, diary } = setUpHealthLoop({ says: HEALTHY, restored })
    loop.start()
    await clock.advanceSettled(100)
    expect(diary).toEqual(['hold'])
    expect(await loop.unfence('node1')).toMatchObject({ ok: true })

    expect(diary.at(-1)).toBe('node1')
    expect(store.saved.at(-1)).toEqual({ epoch: EPOCH, fenced: [] })
    await loop.stop()
  })

  it('that cannot be written is refused, and changes nothing', async () => {
    const { clock, store, loop, diary } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(100)
    store.mode = 'fails'

    for (const result of [await loop.fence('node1'), await loop.accept('node1')]) {
      expect(result).toEqual({ ok: false, problem: 'the state file cannot be written: no space left on device' })
    }
    await clock.advanceSettled(1000)
    expect(diary.at(-1)).toBe('node1')
    expect(loop.snapshot.state.fenced.size).toBe(0)
    await loop.stop()
  })

  it('for a node that does not exist names those that do', async () => {
    const { loop } = setUpHealthLoop({ says: HEALTHY })
    const problem = 'there is no node "nodel"; the nodes are node1, node2, node3'

    expect(await loop.fence('nodel')).toEqual({ ok: false, problem })
    expect(await loop.accept('nodel')).toEqual({ ok: false, problem })
    expect(await loop.unfence('node1')).toEqual({ ok: false, problem: 'node1 is not fenced' })
  })

  it('to accept lowers the epoch, which nothing else does', async () => {
    const restored = { epoch: { ...EPOCH, timelineId: 7 }, fenced: [] }
    const { clock, store, loop, diary } = setUpHealthLoop({ says: HEALTHY, restored })
    loop.start()
    await clock.advanceSettled(3000)
    expect(diary).toEqual(['hold'])
    expect(await loop.accept('node1')).toEqual({ ok: true, message: 'node1 is accepted as primary on timeline 1' })

    expect(diary).toEqual(['hold', 'saved 1 node1', 'told of 1 node1', 'node1'])
    expect(store.saved.at(-1)?.epoch).toMatchObject({ timelineId: 1, node: 'node1' })
    await loop.stop()
  })

  it('to accept is refused for a standby, and for a node that does not answer', async () => {
    const { clock, loop, store } = setUpHealthLoop({ says: { ...HEALTHY, node3: 'T' }, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(1000)

    expect(await loop.accept('node2')).toMatchObject({ ok: false, problem: expect.stringContaining('is a standby') })
    expect(await loop.accept('node3')).toMatchObject({ ok: false, problem: expect.stringContaining('does not answer') })
    expect(store.saved).toEqual([])
    await loop.stop()
  })

  it('to accept is refused for a witness, whose identifier would make everybody else foreign', async () => {
    const { clock, loop, store, diary } = setUpHealthLoop({ says: { ...HEALTHY, node3: 'W' }, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(1000)

    expect(await loop.accept('node3')).toMatchObject({ ok: false, problem: expect.stringContaining('witness') })
    expect(store.saved).toEqual([])
    expect(diary.at(-1)).toBe('node1')
    await loop.stop()
  })

  it('is not lost when another one is given before it is on disk', async () => {
    const { clock, store, loop } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(100)
    store.mode = 'hangs'
    const orders = [loop.fence('node2'), loop.fence('node3')]
    await settled()
    store.resume()
    await Promise.all(orders)

    expect([...loop.snapshot.state.fenced].sort()).toEqual(['node2', 'node3'])
    expect([...(store.saved.at(-1)?.fenced ?? [])].sort()).toEqual(['node2', 'node3'])
    await loop.stop()
  })

  it('to fence does not lower the epoch that is on its way to the disk', async () => {
    const { clock, store, loop, diary, say } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(100)
    store.mode = 'hangs'
    say('node1', 'R')
    say('node2', 'P2+')
    await clock.advanceSettled(200)
    expect(diary.at(-1)).toBe('accepting node2')
    const order = loop.fence('node1')
    await settled()
    store.resume()
    await order
    await clock.advanceSettled(100)

    expect(store.saved.at(-1)).toMatchObject({ epoch: { timelineId: 2, node: 'node2' }, fenced: ['node1'] })
    expect(loop.snapshot.state.epoch).toMatchObject({ timelineId: 2, node: 'node2' })
    // Once proven, it is not taken back for the sake of the order.
    expect(diary.filter((line) => line === 'told of 2 node2').length).toBe(1)
    expect(diary.at(-1)).toBe('node2')
    await loop.stop()
  })

  it('to fence the node that is being accepted stands above the acceptance', async () => {
    const { clock, store, loop, diary, say } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(100)
    store.mode = 'hangs'
    say('node1', 'R')
    say('node2', 'P2+')
    await clock.advanceSettled(200)
    const order = loop.fence('node2')
    await settled()
    store.resume()
    await order
    await clock.advanceSettled(500)

    expect(store.saved.at(-1)?.fenced).toEqual(['node2'])
    expect(diary.at(-1)).toBe('hold')
    await loop.stop()
  })
})

describe('what another process has put to disk', () => {
  it('holds here, also a lower epoch, and is no acceptance of ours', async () => {
    const restored = { epoch: { ...EPOCH, timelineId: 7 }, fenced: [] }
    const { clock, store, loop, diary } = setUpHealthLoop({ says: HEALTHY, restored })
    loop.start()
    await clock.advanceSettled(100)
    expect(diary).toEqual(['hold'])
    loop.adopt({ epoch: EPOCH, fenced: [] })
    expect(diary).toEqual(['hold', 'node1'])
    loop.adopt({ epoch: EPOCH, fenced: ['node1'] })
    expect(diary.at(-1)).toBe('hold')
    expect(store.saved).toEqual([])
    await loop.stop()
  })

  it('overrules an epoch that is on its way to the disk', async () => {
    const { clock, store, loop, say, diary } = setUpHealthLoop({ says: HEALTHY, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(100)
    store.mode = 'hangs'
    say('node1', 'R')
    say('node2', 'P2+')
    await clock.advanceSettled(200)
    const theirs = { ...EPOCH, timelineId: 2, node: 'node2', at: 'theirs' }
    loop.adopt({ epoch: theirs, fenced: [] })
    store.resume()
    await settled()
    expect(loop.snapshot.state.epoch).toEqual(theirs)
    expect(diary.filter((line) => line.startsWith('told of'))).toEqual([])
    await loop.stop()
  })
})

describe('discovery', () => {
  const discovering = { says: HEALTHY, configured: ['node1'], settings: { discovery: 'repmgr' as const } }

  it('adds the nodes that the rows name, and probes them', async () => {
    const { clock, loop, diary, prober } = setUpHealthLoop(discovering)
    loop.start()
    await clock.advanceSettled(200)

    expect(diary).toContain('+node2 +node3')
    expect(prober('node3').asked.length).toBeGreaterThan(1)
    expect(loop.snapshot.members.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3'])
    await loop.stop()
  })

  it('removes a discovered node when the primary does not name it any more, and stops probing it', async () => {
    const { clock, loop, diary, prober, made } = setUpHealthLoop({ ...discovering, restored: KNOWN })
    loop.start()
    await clock.advanceSettled(200)
    const removed = prober('node3')
    prober('node1').amend = (answer) =>
      answer.repmgr.kind === 'rows'
        ? { ...answer, repmgr: { ...answer.repmgr, rows: answer.repmgr.rows.filter((row) => row.nodeId !== 3) } }
        : answer
    await clock.advanceSettled(1000)

    expect(diary.filter((line) => line.includes('node3'))).toEqual(['+node2 +node3', '-node3'])
    expect(removed.isClosed).toBe(true)
    expect(made.length).toBe(3)
    await loop.stop()
  })

  it('keeps a configured node whatever the rows say', async () => {
    const { clock, loop, diary, prober } = setUpHealthLoop({ ...discovering, configured: ['node1', 'node2'] })
    loop.start()
    await settled()
    prober('node1').amend = (answer) =>
      answer.repmgr.kind === 'rows' ? { ...answer, repmgr: { ...answer.repmgr, rows: [] } } : answer
    await clock.advanceSettled(1000)

    expect(diary.filter((line) => line.includes('-node2'))).toEqual([])
    await loop.stop()
  })

  it('drops an address that leads to a node that is listed already, and does not take it up again', async () => {
    const { clock, loop, diary, onProber, made } = setUpHealthLoop({ ...discovering, restored: KNOWN })
    // node2's address leads to node1's server.
    onProber((prober, node) => {
      if (node.name === 'node2') prober.amend = (answer) => ({ ...answer, postmasterStartedAt: 'node1-1' })
    })
    loop.start()
    await clock.advanceSettled(20_000)

    expect(diary.filter((line) => line.includes('node2'))).toEqual(['+node2 +node3', '-node2'])
    expect(made.length).toBe(3)
    expect(diary.at(-1)).toBe('node1')
    await loop.stop()
  })

  it('adds nobody when it is off', async () => {
    const { clock, loop, made } = setUpHealthLoop({ ...discovering, settings: { discovery: 'none' } })
    loop.start()
    await clock.advanceSettled(1000)

    expect(made.length).toBe(1)
    await loop.stop()
  })
})

describe('configure', () => {
  const twoNodes = { says: HEALTHY, configured: ['node1', 'node2'], restored: KNOWN }

  it('probes added nodes at once and goes on with the others', async () => {
    const { clock, loop, settings, prober, made } = setUpHealthLoop(twoNodes)
    loop.start()
    await clock.advanceSettled(15_000)
    loop.configure({ ...settings, nodes: ['node1', 'node2', 'node3'].map(member) }, { renewProbers: false })
    await settled()

    expect(prober('node3').asked.length).toBe(1)
    expect(made.length).toBe(3)
    await loop.stop()
  })

  it('forgets removed nodes, and decides without them at once', async () => {
    const { clock, loop, settings, prober, decisions } = setUpHealthLoop(twoNodes)
    loop.start()
    await clock.advanceSettled(15_000)
    const removed = prober('node2')
    loop.configure({ ...settings, nodes: [member('node1')] }, { renewProbers: false })

    expect([...(decisions.at(-1)?.nodes.keys() ?? [])]).toEqual(['node1'])
    expect(loop.snapshot.evidence.has('node2')).toBe(false)
    await clock.advanceSettled(1000)
    expect(removed.isClosed).toBe(true)
    await loop.stop()
  })

  it('decides at once without a removed primary, also when another node is added with it', async () => {
    const { clock, loop, settings, decisions } = setUpHealthLoop(twoNodes)
    loop.start()
    await clock.advanceSettled(15_000)
    loop.configure({ ...settings, nodes: ['node2', 'node3'].map(member) }, { renewProbers: false })

    expect(decisions.at(-1)?.primary).toBe(null)
    await loop.stop()
  })

  it('asks a node that has moved at its new address, and believes nothing of what the old one said', async () => {
    const { clock, loop, settings, prober } = setUpHealthLoop(twoNodes)
    loop.start()
    await clock.advanceSettled(15_000)
    const before = prober('node2')
    const moved = { ...member('node2'), address: { host: '127.0.0.9', port: 5432 } }
    loop.configure({ ...settings, nodes: [member('node1'), moved] }, { renewProbers: false })

    expect(loop.snapshot.evidence.has('node2')).toBe(false)
    await clock.advanceSettled(1000)
    expect(prober('node2')).not.toBe(before)
    expect(before.isClosed).toBe(true)
    expect(loop.snapshot.members.find(({ name }) => name === 'node2')?.address.host).toBe('127.0.0.9')
    await loop.stop()
  })

  it('takes over a new pace at once', async () => {
    const { clock, loop, settings, prober } = setUpHealthLoop(twoNodes)
    loop.start()
    await clock.advanceSettled(15_000)
    loop.configure({ ...settings, intervalMs: 100 }, { renewProbers: false })
    const before = prober('node1').asked.length
    await clock.advanceSettled(1000)

    expect(prober('node1').asked.length - before).toBeGreaterThanOrEqual(10)
    await loop.stop()
  })

  it('asks over new sessions when who asks has changed, and keeps what is known', async () => {
    const { clock, loop, settings, prober, diary } = setUpHealthLoop(twoNodes)
    loop.start()
    await clock.advanceSettled(15_000)
    const before = prober('node1')
    loop.configure(settings, { renewProbers: true })
    await clock.advanceSettled(1000)

    expect(before.isClosed).toBe(true)
    expect(prober('node1').asked.length).toBeGreaterThan(0)
    expect(diary).toEqual(['hold', 'node1'])
    await loop.stop()
    expect(clock.pendingCount).toBe(0)
  })
})
