/** P6, every decision can be explained: a failover is followed on the live page, in a real browser, with nothing done to it. */
import { afterEach, describe, expect, it } from 'vitest'
import { overflow } from '../page/measure.ts'
import { DESK, DESK_DARK, KEEPS_PICTURES, keepPicture, PHONE, PHONE_DARK } from '../page/pictures.ts'
import { Browser, browserAvailable } from '../support/browser.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { Writer } from './writers.ts'

let scene: Scene | undefined
let browser: Browser | undefined
const writers: Writer[] = []

afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.stop()))
  await browser?.close()
  await scene?.close()
})

describe.skipIf(leftOut('the live page through a failover', browserAvailable()))('the live page', () => {
  it('follows a failover by itself: the loss, the wait, the new primary, and the journal of it', async () => {
    scene = await Scene.open({ nodes: 3, passwords: false })
    tellOnFailure(() => scene)
    for (let index = 0; index < 6; index += 1) {
      writers.push(new Writer(scene.target, { style: index < 4 ? 'long' : 'fresh', name: `page-${index}` }))
    }
    browser = await Browser.open()
    const tab = await browser.openTab(`${scene.config.adminUrl}/`, DESK)
    await tab.waitForText('#state', (text) => text === 'serving node1 is primary on timeline 1')
    await tab.waitForText('#figure-sessions', (text) => Number(text) >= 4)
    await waitFor('both arrows', async () => (await tab.evaluate("document.querySelectorAll('.arrow').length")) === 2)
    expect(await tab.text('[data-node=node2]')).toMatch(/standby[\s\S]*timeline 1/)
    if (KEEPS_PICTURES) await tab.waitForText('#since', (text) => /^for [2-5]\d s/.test(text), 40_000)
    await keepPicture(tab, 'page-serving')

    const { cluster } = scene
    await scene.node('node1').kill()
    await tab.waitForText('#state', (text) => text.startsWith('no primary node1, primary on timeline 1, refuses'))
    await tab.waitForText('#figure-held', (text) => Number(text) >= 6)
    expect(await tab.text('#since')).toContain('new sessions wait')
    expect(await tab.text('[data-node=node1] .role')).toBe('unreachable')
    expect(await tab.text('#outlook')).toContain('repmgr standby promote')
    await tab.waitForText('#journal li:first-child', (text) => text.includes('in progress'))
    // With nothing to see yet a picture would show nothing.
    if (KEEPS_PICTURES) await tab.waitForText('#since', (text) => /^for [4-9] s/.test(text))
    await keepPicture(tab, 'page-holding')
    await tab.show(PHONE_DARK)
    await keepPicture(tab, 'page-holding-phone-dark')
    await tab.show(DESK)

    await scene.promote('node2')
    await cluster.follow(scene.node('node3'), scene.node('node2'))
    await tab.waitForText('#state', (text) => text === 'serving node2 is primary on timeline 2')
    await tab.waitForText('#figure-held', (text) => text === '0')
    const entry = await tab.waitForText('#journal li:first-child', (text) => text.includes('all released'))
    for (const words of [
      'Failover',
      'node1 → node2',
      'timeline 1 → 2',
      'detected',
      'primary proven',
      'first session routed',
    ]) {
      expect(entry).toContain(words)
    }
    expect(entry).toMatch(/\d held · \d+ released/)
    await waitFor(
      'the arrow to node3',
      async () => (await tab.evaluate("document.querySelectorAll('.arrow').length")) === 1,
    )
    await waitFor('the mark in the plots', async () => (await tab.text('.plots text.mark')) === '→ node2')
    if (KEEPS_PICTURES) await tab.waitForText('#since', (text) => /^for 1\d s/.test(text), 20_000)
    for (const [name, view] of Object.entries({ '': DESK, '-dark': DESK_DARK, '-phone': PHONE })) {
      await tab.show(view)
      await waitFor('everything to fit', async () => (await overflow(tab)) === 0)
      await keepPicture(tab, `page-failover${name}`)
    }
    expect(tab.problems).toEqual([])
    expect(tab.requests.every((url) => url.startsWith(`${scene?.config.adminUrl}/`) || url.startsWith('data:'))).toBe(
      true,
    )

    scene.proxy.signal('SIGKILL')
    await tab.waitForText('#away', (text) => text.startsWith('No word from the proxy for '))
    await scene.proxy.exited
    scene.startProxyAgain()
    await tab.waitForText('#state', (text) => text === 'serving node2 is primary on timeline 2')
    await waitFor('the banner to go', () => tab.evaluate("document.querySelector('#away').hidden"))
    expect(await tab.text('#journal li:first-child')).toContain('node1 → node2')
  })
})
