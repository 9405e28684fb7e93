/**
 * P8, what must survive: the epoch is on disk before anything follows from it, whatever happens to the proxy or the disk.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { loginCount, Scene, tellOnFailure } from './scene.ts'
import { Crowd } from './writers.ts'

let scene: Scene
let crowd: Crowd | undefined

afterEach(async () => {
  await crowd?.stop()
  crowd = undefined
  await scene.close()
})

function stateFile(): string {
  return join(scene.config.stateDirectory, 'state.json')
}

function epochOnDisk(): { readonly timelineId: number; readonly node: string } {
  return JSON.parse(readFileSync(stateFile(), 'utf8')).epoch
}

describe('the epoch of an accepted primary', () => {
  it('is on disk when the proxy is killed the moment it is heard of', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    await scene.node('node1').kill()
    await scene.node('node2').promote()
    await scene.cluster.recordPromotion(scene.node('node2'))
    await scene.proxy.waitForLog('the acceptance', ({ msg, epoch }) => {
      return msg === 'primary accepted' && (epoch as { node: string }).node === 'node2'
    })
    await scene.proxy.destroy()
    expect(epochOnDisk()).toMatchObject({ timelineId: 2, node: 'node2' })
  })

  it('is on disk before the first session is routed there', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    const node2 = scene.node('node2')
    crowd = new Crowd(scene.target, { long: 0, fresh: 4 })
    await crowd.waitForMore(1)
    // Whoever wins: at the moment of the first login on node2 the file must name it.
    let earliest: { logins: number; node: string } | null = null
    const watch = setInterval(() => {
      const { node } = epochOnDisk()
      const logins = loginCount(node2)
      if (logins > 0) earliest ??= { logins, node }
    }, 1)
    try {
      await scene.node('node1').kill()
      await scene.promote('node2')
      await crowd.waitForMore(3, `${node2.host}:${node2.port}`)
      expect(earliest).toMatchObject({ node: 'node2' })
    } finally {
      clearInterval(watch)
    }
  })

  it('that cannot be written is not acted on: sessions wait until it can', async () => {
    scene = await Scene.open({ nodes: 2, passwords: false })
    tellOnFailure(() => scene)
    const node2 = scene.node('node2')
    crowd = new Crowd(scene.target, { long: 1, fresh: 1 })
    await crowd.waitForMore(1)
    const aside = `${scene.config.stateDirectory}.aside`
    renameSync(scene.config.stateDirectory, aside)
    writeFileSync(scene.config.stateDirectory, 'no directory')

    await scene.node('node1').kill()
    await scene.promote('node2')
    const failure = await scene.proxy.waitForLog('the failure', ({ msg }) =>
      String(msg).startsWith('the epoch cannot be written'),
    )
    expect(failure).toMatchObject({ level: 'error', epoch: { node: 'node2', timelineId: 2 } })
    await scene.waitUntilHeld(2)
    expect(await scene.status()).toMatchObject({ primary: null, timelineId: 1 })
    expect((await scene.proxy.get('/readyz')).status).toBe(503)
    expect(loginCount(node2)).toBe(0)
    // Tried again with every probe, and told aloud once.
    expect(scene.proxy.log.filter(({ level }) => level === 'error')).toEqual([failure])

    rmSync(scene.config.stateDirectory)
    mkdirSync(scene.config.stateDirectory)
    await crowd.waitForMore(2, `${node2.host}:${node2.port}`)
    expect(epochOnDisk()).toMatchObject({ timelineId: 2, node: 'node2' })
    expect(crowd.errors.filter(({ phase }) => phase === 'connect')).toEqual([])
  })
})

describe('a state file that cannot be read', () => {
  it('is told of, kept until there is a better one, and leads to a cold start', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    expect(await scene.proxy.stop()).toEqual({ code: 0, signal: null })
    writeFileSync(stateFile(), '{ "version": 1, "epoch": ')
    await Promise.all(scene.cluster.nodes.map((node) => node.stop('immediate')))
    scene.startProxyAgain()
    const warning = await scene.proxy.waitForLog('the warning', ({ msg }) => String(msg).includes('starting cold'))
    expect(warning).toMatchObject({ level: 'warn', file: stateFile() })
    await scene.waitForStatus('the first look', ({ reason }) => reason.includes('refuses connections'))
    expect(readFileSync(stateFile(), 'utf8')).toBe('{ "version": 1, "epoch": ')

    await Promise.all(scene.cluster.nodes.map((node) => node.start()))
    await scene.waitUntilServing('node1')
    expect(await waitFor('the new file', epochOnDisk)).toMatchObject({ timelineId: 1, node: 'node1' })
  })
})
