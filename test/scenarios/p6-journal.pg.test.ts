/**
 * P6, every failover can be told afterwards: when it began, how long each part of it took, what became of the sessions;
 * also when the proxy itself was killed in the middle of it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { FailoverRecord } from '../../src/observability/failover-record.ts'
import { waitFor } from '../support/condition.ts'
import { runProxyCommand } from '../support/proxy-process.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { Crowd } from './writers.ts'

let scene: Scene
let crowd: Crowd | undefined

afterEach(async () => {
  await crowd?.stop()
  crowd = undefined
  await scene.close()
})

async function journal(): Promise<readonly FailoverRecord[]> {
  const response = await scene.proxy.get('/api/failovers')
  return ((await response.json()) as { failovers: FailoverRecord[] }).failovers
}

async function waitForNewest(description: string, until: (record: FailoverRecord) => boolean): Promise<FailoverRecord> {
  const newest = async () => (await journal())[0]
  const found = await waitFor(description, newest, { until: (record) => record !== undefined && until(record) })
  if (found === undefined) throw new Error('the journal is empty')
  return found
}

/** Nothing before the first save. */
function onDisk(): readonly FailoverRecord[] {
  const file = join(scene.config.stateDirectory, 'failovers.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).failovers : []
}

/** The moments of a failover in the order in which they have to come. */
function elapsedOf({ times }: FailoverRecord): number[] {
  const { lastGoodProbe, detection, proof, firstRouted, allReleased } = times
  return [lastGoodProbe, detection, proof, firstRouted, allReleased].map((moment) => moment?.afterMs ?? Number.NaN)
}

describe('the failover journal', () => {
  it('tells a failover with its times in order and what became of every session, and a return of the old primary nothing', async () => {
    scene = await Scene.open({ nodes: 2, proxy: { hold: { timeout: '30s' } } })
    tellOnFailure(() => scene)
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    expect(await journal()).toMatchObject([{ id: 1, kind: 'first-acceptance', from: null, to: { node: 'node1' } }])

    crowd = new Crowd(scene.target, { long: 3, fresh: 0 })
    await crowd.waitForMore(1)
    const before = await scene.waitForStatus('three sessions', ({ sessions }) => sessions.active === 3)
    expect(before.sessions.held).toBe(0)
    await node1.kill()
    // Each of the three comes back and waits.
    await scene.waitUntilHeld(3)
    const running = await waitForNewest('the outage', ({ state }) => state === 'in-progress')
    expect(running).toMatchObject({ id: 2, kind: 'outage', to: null, times: { proof: null } })
    await scene.promote('node2')
    await crowd.waitForMore(1, `${node2.host}:${node2.port}`)

    const record = await waitForNewest('the last release', ({ times }) => times.allReleased !== null)
    expect(record).toMatchObject({
      id: 2,
      state: 'over',
      kind: 'failover',
      from: { node: 'node1', timelineId: 1 },
      to: { node: 'node2', timelineId: 2 },
      reason: expect.stringContaining('accepting node2 as primary on timeline 2'),
      sessions: { before: 3, held: 3, released: 3, expired: 0, left: 0 },
      nodes: [
        { name: 'node1', role: 'unreachable' },
        { name: 'node2', timelineId: 2 },
      ],
    })
    const { ended, lost } = record.sessions
    expect(ended + lost).toBe(3)
    const elapsed = elapsedOf(record)
    expect(elapsed).toEqual(elapsed.toSorted((a, b) => a - b))
    expect(elapsed[0]).toBe(0)
    expect(record.decisions.at(0)?.reason).toContain('node1, primary on timeline 1, refuses connections')
    expect(record.decisions.at(-1)?.reason).toBe('node2 is primary on timeline 2')
    expect(
      await waitFor('the record on disk', () => onDisk().at(-1), {
        until: (last) => last?.id === 2 && last.state === 'over',
      }),
    ).toMatchObject({ id: 2, times: { proof: record.times.proof } })

    await node1.start()
    await scene.waitForRole('node1', 'stale-primary')
    expect((await journal()).map(({ id }) => id)).toEqual([2, 1])

    const table = await runProxyCommand(['failovers', '--url', scene.config.adminUrl])
    expect(table).toMatchObject({ code: 0, stderr: '' })
    expect(table.stdout).toMatch(/^ 2 {2}\S+ \S+ {2}failover {10}node1 \(1\) {2}node2 \(2\) .* 3 {5}3 {8}0$/m)
    const timeline = await runProxyCommand(['failovers', '2', '--url', scene.config.adminUrl])
    expect(timeline.stdout).toContain('node1 on timeline 1 -> node2 on timeline 2')
    expect(timeline.stdout).toContain('held: 3, of which 3 released, 0 expired, 0 left')
  })

  it('keeps an outage in the middle of which the proxy was killed, as interrupted, and goes on with the next one', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    await scene.node('node1').kill()
    await waitFor('the outage on disk', () => onDisk().at(-1), {
      until: (last) => last?.id === 2 && last.state === 'in-progress',
    })
    await scene.proxy.destroy()
    scene.startProxyAgain()
    await scene.waitForStatus('the look at both', ({ reason }) => reason.includes('refuses connections'))
    expect(await journal()).toMatchObject([
      { id: 3, state: 'in-progress', from: { node: 'node1' }, times: { lastGoodProbe: null } },
      {
        id: 2,
        state: 'interrupted',
        kind: 'outage',
        from: { node: 'node1' },
        times: { lastGoodProbe: { afterMs: 0 } },
      },
      { id: 1, state: 'over', kind: 'first-acceptance' },
    ])
    await scene.promote('node2')
    await scene.waitUntilServing('node2')
    expect(await waitForNewest('the end', ({ state }) => state === 'over')).toMatchObject({
      id: 3,
      kind: 'failover',
      to: { node: 'node2', timelineId: 2 },
    })
    await waitFor('all of it on disk', onDisk, { until: (records) => records.at(-1)?.state === 'over' })
    expect(onDisk().map(({ id, state }) => [id, state])).toEqual([
      [1, 'over'],
      [2, 'interrupted'],
      [3, 'over'],
    ])
  })

  it('tells a switchover from a failover, and an outage from both', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    const node1 = scene.node('node1')
    await node1.stop('fast')
    await scene.waitForStatus('the loss', ({ state }) => state === 'no-primary')
    await node1.start()
    await scene.waitUntilServing('node1')
    expect(await waitForNewest('its end', ({ id, state }) => id === 2 && state === 'over')).toMatchObject({
      kind: 'outage',
      from: { node: 'node1', timelineId: 1 },
      to: { node: 'node1', timelineId: 1 },
    })

    // The open session keeps a smart stop, and "shutting down", for as long as it lasts; the new ones meet that.
    crowd = new Crowd(scene.target, { long: 1, fresh: 1 })
    await crowd.waitForMore(1)
    const stopped = node1.stop('smart')
    await scene.waitForStatus('the shutdown', ({ reason }) => reason.includes('shutting down'))
    await crowd.stop()
    crowd = undefined
    await stopped
    await scene.promote('node2')
    await scene.waitUntilServing('node2')
    expect(await waitForNewest('the switchover', ({ id, state }) => id === 3 && state === 'over')).toMatchObject({
      kind: 'switchover',
      from: { node: 'node1', timelineId: 1 },
      to: { node: 'node2', timelineId: 2 },
    })
  })
})
