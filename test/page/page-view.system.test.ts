/** What the live page shows of states that no cluster is in for long, in Chromium. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { STREAMS_MAX } from '../../src/admin/admin-server.ts'
import type { FailoverRecord } from '../../src/observability/failover-record.ts'
import type { Status } from '../../src/observability/status.ts'
import { NODE_ROLES } from '../../src/topology/topology-state.ts'
import { closeAfterEach } from '../admin/admin-rig.ts'
import { Browser, browserAvailable, type Tab } from '../support/browser.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { faintTexts, overflow } from './measure.ts'
import { node, openStage, type PageStageOptions, serving, standbyOf, TWELVE_NODES } from './page-stage.ts'
import { DESK, DESK_DARK, keepPicture, PHONE, PHONE_DARK } from './pictures.ts'

closeAfterEach()

const TWELVE = serving(TWELVE_NODES, {
  warnings: [
    'node11 does not answer',
    'node7 claims to be primary on timeline 2, below the accepted 3: it is fenced, rejoin it',
  ],
  outlook: ['New sessions wait when node1 refuses connections. `pgha-proxy fence node1` ends its sessions.'],
  sessions: { ...serving([]).sessions, active: 639, held: 0 },
})

const HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>&amp;'

const FAILOVER: FailoverRecord = {
  id: 1,
  state: 'over',
  kind: 'failover',
  from: { node: 'node3', timelineId: 2 },
  to: { node: 'node1', timelineId: 3 },
  reason: 'accepting node1 as primary on timeline 3: node3 refuses connections',
  startedAt: '2026-01-01T00:03:10.000Z',
  times: {
    lastGoodProbe: { at: '2026-01-01T00:03:10.000Z', afterMs: 0 },
    detection: { at: '2026-01-01T00:03:10.042Z', afterMs: 42 },
    proof: { at: '2026-01-01T00:03:11.600Z', afterMs: 1600 },
    firstRouted: { at: '2026-01-01T00:03:11.600Z', afterMs: 1600.3 },
    allReleased: { at: '2026-01-01T00:03:11.612Z', afterMs: 1612 },
  },
  sessions: { before: 40, ended: 3, lost: 2, held: 8, released: 7, expired: 1, left: 0 },
  nodes: [],
  decisions: [],
  decisionsLeftOut: 0,
}

describe.skipIf(leftOut('the live page in a browser', browserAvailable()))('the live page', () => {
  let browser: Browser
  const stages: { readonly close: () => Promise<void> }[] = []
  beforeAll(async () => {
    browser = await Browser.open()
  })
  afterEach(async () => {
    for (const stage of stages.splice(0)) await stage.close()
  })
  afterAll(async () => {
    await browser.close()
  })

  async function show(options: PageStageOptions, view = DESK) {
    const stage = await openStage(options)
    stages.push(stage)
    const tab = await browser.openTab(stage.url, view)
    await tab.waitForText('#state', (text) => text.includes(options.status.reason))
    return { stage, tab }
  }

  /** Name and role of each card, in the order of reading. */
  async function cards(tab: Tab): Promise<string[]> {
    return await tab.evaluate(
      `[...document.querySelectorAll('.node h3')].map((head) => [...head.querySelectorAll('span')].map((span) => span.innerText).join(' '))`,
    )
  }

  it('shows twelve nodes of every role with their words, on a desk and on a phone, in light and in dark', async () => {
    const { tab } = await show({ status: TWELVE, failovers: [FAILOVER], hasPast: true })
    const words = TWELVE_NODES.map(({ name, role }) => `${name} ${role.replace('-', ' ')}`)
    expect((await cards(tab)).sort()).toEqual(words.sort())
    const views = {
      desk: DESK,
      'desk-dark': DESK_DARK,
      tablet: { ...DESK, width: 768 },
      phone: PHONE,
      'phone-dark': PHONE_DARK,
      smallest: { ...PHONE, width: 320 },
    }
    for (const [name, view] of Object.entries(views)) {
      await tab.show(view)
      await waitFor('everything to fit', async () => (await overflow(tab)) === 0)
      const { seen, faint } = await faintTexts(tab)
      expect([name, faint]).toEqual([name, []])
      expect(seen).toBeGreaterThan(50)
      await tab.waitForText('#link', (text) => text.startsWith('live'))
      if (view === DESK || view === PHONE_DARK) await keepPicture(tab, `page-twelve-nodes-${name}`)
    }
    expect(tab.problems).toEqual([])
  })

  it('draws an arrow along each stream of changes between its nodes, and none where there is no stream', async () => {
    const { tab } = await show({ status: TWELVE })
    const followers = TWELVE_NODES.filter(({ upstream }) => upstream?.endsWith('.db.example:5432'))

    expect(followers.length).toBe(4)
    expect(await tab.evaluate("document.querySelectorAll('.arrow').length")).toBe(followers.length)
    expect(await tab.text('[data-node=node6]')).toContain('follows 10.20.0.9:5432')
  })

  it('shows a cluster of one', async () => {
    const { tab } = await show({ status: serving([node('node1', 'primary')]) })

    expect(await cards(tab)).toEqual(['node1 primary'])
    expect(await tab.text('#journal-note')).toBe('None recorded yet.')
    expect(tab.problems).toEqual([])
  })

  it('shows nodes that follow each other in a ring, and a chain longer than the window is wide', async () => {
    const chain = ['node2', 'node3', 'node4', 'node5', 'node6'].map((name, index) =>
      standbyOf(`node${index + 1}`, name),
    )
    const ring = [standbyOf('node8', 'node7'), standbyOf('node7', 'node8'), standbyOf('node9', 'node9')]
    const { tab } = await show({ status: serving([node('node1', 'primary'), ...chain, ...ring]) })

    expect((await cards(tab)).sort()).toEqual(
      Array.from({ length: 9 }, (_, index) => `node${index + 1} ${index === 0 ? 'primary' : 'standby'}`),
    )
    expect(await overflow(tab)).toBe(0)
  })

  it('has a word and a sign for every state', async () => {
    const nodes = [node('node1', 'unreachable'), node('node2', 'standby')]
    const { stage, tab } = await show({ status: serving(nodes) })
    const signs = new Set<string>()
    for (const state of ['serving', 'uncertain', 'no-primary', 'split-brain'] as const) {
      stage.become(serving(nodes, { state, reason: `it is ${state}`, primary: state === 'serving' ? 'node1' : null }))
      await tab.waitForText('#state', (text) => text === `${state.replace('-', ' ')} it is ${state}`)
      signs.add(await tab.evaluate("document.querySelector('#state path').getAttribute('d')"))
      expect(await tab.text('#since')).toContain(state === 'serving' ? 'since' : 'new sessions wait')
      expect((await faintTexts(tab)).faint).toEqual([])
    }
    expect(signs.size).toBe(4)
    expect(await tab.evaluate("document.querySelector('#state').closest('[role=status]') !== null")).toBe(true)
  })

  it('tells a failover of the journal by its steps, with their times and what became of sessions', async () => {
    const { tab } = await show({ status: serving([node('node1', 'primary')]), failovers: [FAILOVER] })
    const text = (await tab.text('#journal li')) ?? ''

    for (const words of [
      'Failover',
      'node3 → node1',
      'timeline 2 → 3',
      '1.61 s',
      '42 ms',
      '1.55 s',
      '0.3 ms',
      '11 ms',
    ]) {
      expect(text).toContain(words)
    }
    expect(text).toContain('40 sessions before · 3 ended · 2 lost with the server · 8 held · 7 released · 1 expired')
    expect(await tab.evaluate("document.querySelectorAll('#journal .bar span').length")).toBe(4)
  })

  it('takes nothing that a node says for HTML', async () => {
    const nodes = [
      node(HOSTILE, 'primary', { address: HOSTILE, problem: HOSTILE }),
      node('node2', 'standby', { upstream: HOSTILE }),
    ]
    const status: Status = {
      ...serving(nodes, {
        reason: HOSTILE,
        primary: HOSTILE,
        incumbent: HOSTILE,
        warnings: [HOSTILE],
        outlook: [HOSTILE],
      }),
      listeners: [HOSTILE],
    }
    const { tab } = await show({
      status,
      failovers: [{ ...FAILOVER, reason: HOSTILE, to: { node: HOSTILE, timelineId: 3 } }],
    })

    expect(await tab.text('#warnings')).toBe(HOSTILE)
    expect(await tab.text('.node .problem')).toBe(HOSTILE)
    expect(await tab.text('#journal p')).toBe(HOSTILE)
    expect(await tab.evaluate("document.images.length + document.querySelectorAll('body script').length")).toBe(0)
    expect(await overflow(tab)).toBe(0)
    expect(tab.problems).toEqual([])
  })

  it('says that the proxy is away and for how long, and goes on by itself when it is back', async () => {
    const status = serving([node('node1', 'primary')])
    const { stage, tab } = await show({ status })
    await stage.close()
    await tab.waitForText('#away', (text) => /^No word from the proxy for [2-9] s/.test(text))
    expect(await tab.evaluate("document.querySelector('#away').hidden")).toBe(false)
    await keepPicture(tab, 'page-away')

    const again = await openStage({ status: { ...status, reason: 'it is back' }, port: stage.port })
    stages.push(again)
    await tab.waitForText('#state', (text) => text.includes('it is back'))
    await waitFor('the banner to go', () => tab.evaluate("document.querySelector('#away').hidden"))
  })

  it('says that the proxy is away as well when the connection stays and nothing comes', async () => {
    const { stage, tab } = await show({ status: serving([node('node1', 'primary')]) })
    stage.freeze()

    await tab.waitForText('#away', (text) => text.startsWith('No word from the proxy for '))
    expect(tab.requests.filter((url) => url.endsWith('/api/events'))).toHaveLength(1)
  })

  it('waits for its turn when too many look on', async () => {
    const stage = await openStage({ status: serving([node('node1', 'primary')]) })
    stages.push(stage)
    const others = Array.from({ length: STREAMS_MAX }, () =>
      stage.dial().write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    )
    await waitFor('all places to be taken', () => others.every(({ received }) => received.includes('event: status')))
    const tab = await browser.openTab(stage.url, DESK)
    await tab.waitForText('#away', (text) => text.startsWith('The proxy has not answered for '))
    others[0]?.socket.destroy()

    await tab.waitForText('#state', (text) => text.includes('node1 is primary'))
  })

  it('loads itself again when the proxy is another version', async () => {
    const status = serving([node('node1', 'primary')])
    const { stage, tab } = await show({ status })
    await tab.evaluate('window.isOld = true')
    stage.become({ ...status, version: '2.0.0' })
    await tab.waitForText('#version', (text) => text === '2.0.0')

    expect(await tab.evaluate('window.isOld === undefined')).toBe(true)
  })

  it('says what was at a moment of the plots, by the keys alone', async () => {
    const { tab } = await show({ status: TWELVE, hasPast: true })
    await tab.evaluate("document.querySelector('#plots').focus()")
    for (let times = 0; times < 3; times += 1) {
      await tab.send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'ArrowLeft', code: 'ArrowLeft' })
    }

    await tab.waitForText('#readout', (text) => /^00:1\d:\d\d · 6\d\d sessions · 0 held$/.test(text))
  })

  it('has a policy that a browser keeps: what is foreign is not loaded, what is inline does not run', async () => {
    const { tab } = await show({ status: serving([node('node1', 'primary')]) })
    expect(tab.problems).toEqual([])
    await tab.evaluate(`{
      const script = document.createElement('script')
      script.textContent = 'window.hasRun = true'
      document.body.append(script)
      const image = document.createElement('img')
      image.src = 'http://127.0.0.2:9/x.png'
      document.body.append(image)
    }`)
    await waitFor(
      'the browser to refuse both',
      () => tab.problems.filter((each) => each.includes('Content Security Policy')).length >= 2,
    )
    expect(await tab.evaluate('window.hasRun === undefined')).toBe(true)
  })
})

it('has nodes of every role in its twelve', () => {
  const roles = new Set(TWELVE_NODES.map(({ role }) => role))

  expect(NODE_ROLES.filter((role) => !roles.has(role))).toEqual(['unknown'])
})
