import { describe, expect, it } from 'vitest'
import type { AnswerStream } from '../../src/admin/answer.ts'
import { LiveFeed, LOOK_INTERVAL_MS, REFRESH_INTERVAL_MS } from '../../src/admin/live-feed.ts'
import type { FailoverList } from '../../src/observability/failover-list.ts'
import type { Glance } from '../../src/observability/session-history.ts'
import type { Status } from '../../src/observability/status.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { STATUS } from './admin-rig.ts'

/** A feed of a proxy that says whatever the test wants. */
function openFeed() {
  const clock = new FakeClock()
  const proxy = {
    glance: { active: 0, held: 0, state: 'serving', primary: 'node1' } as Glance,
    status: STATUS as Status,
    failovers: { total: 0, failovers: [] } as FailoverList,
    statusCount: 0,
    defects: [] as unknown[],
  }
  const feed = new LiveFeed({
    clock,
    glance: () => proxy.glance,
    status: () => {
      proxy.statusCount += 1
      return proxy.status
    },
    failovers: () => proxy.failovers,
    onDefect: (error) => proxy.defects.push(error),
  })
  feed.open()
  return { clock, feed, proxy }
}

/** Somebody who listens, and what he has heard. */
function listen(feed: LiveFeed) {
  const leaving = new AbortController()
  let text = ''
  const stream: AnswerStream = {
    write: (piece) => {
      text += piece
      return true
    },
    closed: leaving.signal,
  }
  const answer = feed.answer()
  const over = answer.kind === 'stream' ? answer.run(stream) : Promise.reject(new Error('the answer is no stream'))
  return {
    answer,
    over,
    leave: () => leaving.abort(),
    /** The names of what came since the last call, with its data. */
    hear: () => {
      const events = [...text.matchAll(/^event: ([^\n]+)\ndata: ([^\n]+)\n\n/gm)].map(([, name = '', data = '']) => ({
        name,
        data: JSON.parse(data),
      }))
      text = ''
      return events
    },
    said: () => text,
  }
}

/** The names alone. */
function names(events: readonly { readonly name: string }[]): string[] {
  return events.map(({ name }) => name)
}

describe('whoever begins to listen', () => {
  it('is told how soon to come back, the whole status with the time, the past and the journal', () => {
    const { clock, feed, proxy } = openFeed()
    proxy.glance = { ...proxy.glance, active: 3, held: 1 }
    clock.advance(2_000)
    const { answer, hear, said } = listen(feed)

    expect(answer).toMatchObject({ contentType: 'text/event-stream; charset=utf-8' })
    expect(said()).toMatch(/^retry: 1000\n\n/)
    const [status, history, failovers] = hear()
    expect(status).toEqual({ name: 'status', data: { at: clock.wallTime().toISOString(), ...STATUS } })
    expect(history?.name).toBe('history')
    expect(history?.data.samples.map((sample: number[]) => sample.slice(1))).toEqual([
      [3, 1],
      [3, 1],
      [3, 1],
    ])
    expect(history?.data.changes).toHaveLength(1)
    expect(failovers).toEqual({ name: 'failovers', data: proxy.failovers })
  })
})

describe('a listener', () => {
  it('is told of a change within a quarter of a second, and at most four times a second', () => {
    const { clock, feed, proxy } = openFeed()
    const { hear } = listen(feed)
    clock.advance(LOOK_INTERVAL_MS)
    hear()
    for (let held = 1; held <= 100; held++) {
      proxy.status = { ...STATUS, sessions: { ...STATUS.sessions, held } }
      clock.advance(10)
    }
    const told = hear().filter(({ name }) => name === 'status')

    expect(told.length).toBe(4)
    expect(told.at(-1)?.data.sessions.held).toBeGreaterThan(70)
  })

  it('is not told that something has merely grown older, but for a look now and then', () => {
    const { clock, feed, proxy } = openFeed()
    const { hear } = listen(feed)
    clock.advance(LOOK_INTERVAL_MS)
    hear()
    for (let passed = LOOK_INTERVAL_MS; passed < REFRESH_INTERVAL_MS; passed += LOOK_INTERVAL_MS) {
      const nodes = STATUS.nodes.map((node) => ({ ...node, lastSeenMs: passed }))
      proxy.status = { ...STATUS, nodes, uptimeSeconds: passed }
      clock.advance(LOOK_INTERVAL_MS)
    }
    expect(names(hear())).not.toContain('status')
    clock.advance(LOOK_INTERVAL_MS)
    expect(names(hear())).toContain('status')
  })

  it('hears something every second, though nothing happens', () => {
    const { clock, feed } = openFeed()
    const { hear } = listen(feed)
    clock.advance(1_000)
    hear()
    for (let second = 0; second < 20; second++) {
      clock.advance(1_000)
      expect(names(hear())).toContain('second')
    }
  })

  it('is told of the journal when it has news, and not otherwise', () => {
    const { clock, feed, proxy } = openFeed()
    const { hear } = listen(feed)
    clock.advance(LOOK_INTERVAL_MS)
    hear()
    clock.advance(10_000)
    expect(names(hear())).not.toContain('failovers')
    proxy.failovers = { total: 1, failovers: [{ id: 1 } as FailoverList['failovers'][number]] }
    clock.advance(LOOK_INTERVAL_MS)
    expect(hear().filter(({ name }) => name === 'failovers')).toEqual([{ name: 'failovers', data: proxy.failovers }])
  })

  it('that has gone is told nothing more, and then nobody asks for the status', async () => {
    const { clock, feed, proxy } = openFeed()
    const { hear, leave, over } = listen(feed)
    leave()
    await over
    await settled()
    hear()
    const before = proxy.statusCount
    clock.advance(60_000)

    expect(hear()).toEqual([])
    expect(proxy.statusCount).toBe(before)
  })

  it('that was gone before it was served is let go at once', async () => {
    const { feed } = openFeed()
    const answer = feed.answer()
    if (answer.kind !== 'stream') throw new Error('the answer is no stream')

    await answer.run({ write: () => false, closed: AbortSignal.abort() })
  })
})

describe('a defect of the status', () => {
  it('is told once, lets every listener go, and stops nothing else', async () => {
    const { clock, feed, proxy } = openFeed()
    const listener = listen(feed)
    const defect = new Error('a defect')
    const { status } = proxy
    Object.defineProperty(proxy, 'status', {
      configurable: true,
      get: () => {
        throw defect
      },
    })
    clock.advance(10_000)
    await listener.over
    expect(proxy.defects).toEqual([defect])

    Object.defineProperty(proxy, 'status', { value: status })
    const { hear } = listen(feed)
    clock.advance(1_000)
    expect(names(hear())).toContain('second')
  })
})

describe('a line end in what a node says', () => {
  it('does not end the event', () => {
    const { feed, proxy } = openFeed()
    proxy.status = { ...STATUS, reason: 'a\n\nevent: status\ndata: {}\r\u2028b' }
    const { hear } = listen(feed)

    expect(hear()[0]?.data.reason).toBe(proxy.status.reason)
  })
})

it('looks at nothing once it is closed', () => {
  const { clock, feed } = openFeed()
  expect(clock.pendingCount).toBe(1)
  feed.close()
  expect(clock.pendingCount).toBe(0)
})
