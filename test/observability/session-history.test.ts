import { describe, expect, it } from 'vitest'
import { CHANGES_MAX, type Glance, HISTORY_SECONDS, SessionHistory } from '../../src/observability/session-history.ts'

const BEGIN = Date.parse('2026-01-01T00:00:00.000Z')
const SECOND = BEGIN / 1000
const SERVING: Glance = { active: 4, held: 0, state: 'serving', primary: 'node1' }

/** `ms` after the beginning. */
function at(ms: number): Date {
  return new Date(BEGIN + ms)
}

describe('the history of sessions', () => {
  it('has for each second the sessions at its last look and the most that waited at once', () => {
    const history = new SessionHistory()
    history.look({ ...SERVING, active: 4, held: 1 }, at(0))
    history.look({ ...SERVING, active: 3, held: 7 }, at(250))
    history.look({ ...SERVING, active: 9, held: 2 }, at(900))
    history.look({ ...SERVING, active: 10 }, at(1000))

    expect(history.read(at(1000)).samples).toEqual([
      [SECOND, 9, 7],
      [SECOND + 1, 10, 0],
    ])
  })

  it('tells a second when it is complete, once', () => {
    const history = new SessionHistory()

    expect(history.look(SERVING, at(0))).toBeNull()
    expect(history.look(SERVING, at(999))).toBeNull()
    expect(history.look(SERVING, at(1001))).toEqual([SECOND, 4, 0])
    expect(history.look(SERVING, at(1500))).toBeNull()
  })

  it('keeps 15 minutes and no more, oldest first', () => {
    const history = new SessionHistory()
    for (let second = 0; second < 3 * HISTORY_SECONDS; second++) {
      history.look({ ...SERVING, active: second }, at(second * 1000))
    }
    const last = 3 * HISTORY_SECONDS - 1
    const { samples } = history.read(at(last * 1000))

    expect(samples).toHaveLength(HISTORY_SECONDS)
    expect(samples[0]).toEqual([SECOND + last - HISTORY_SECONDS + 1, last - HISTORY_SECONDS + 1, 0])
    expect(samples.at(-1)).toEqual([SECOND + last, last, 0])
  })

  it('leaves out seconds in which nobody looked, also after a long sleep', () => {
    const history = new SessionHistory()
    history.look(SERVING, at(0))
    history.look(SERVING, at(3000))
    const later = 5 * HISTORY_SECONDS * 1000
    history.look(SERVING, at(later))

    expect(history.read(at(later)).samples).toEqual([[SECOND + later / 1000, 4, 0]])
  })

  it('shows nothing of a future that a wall clock set back has left behind', () => {
    const history = new SessionHistory()
    history.look(SERVING, at(60_000))
    history.look({ ...SERVING, active: 5 }, at(2000))

    expect(history.read(at(2000)).samples).toEqual([[SECOND + 2, 5, 0]])
  })

  it('has each change of state and primary with its moment', () => {
    const history = new SessionHistory()
    history.look(SERVING, at(0))
    history.look(SERVING, at(250))
    history.look({ ...SERVING, state: 'no-primary', primary: null }, at(500))
    history.look({ ...SERVING, primary: 'node2' }, at(750))

    expect(history.read(at(750)).changes).toEqual([
      { at: BEGIN, state: 'serving', primary: 'node1' },
      { at: BEGIN + 500, state: 'no-primary', primary: null },
      { at: BEGIN + 750, state: 'serving', primary: 'node2' },
    ])
  })

  it('keeps the state that held when its 15 minutes began, and forgets those before', () => {
    const history = new SessionHistory()
    history.look({ ...SERVING, primary: null, state: 'no-primary' }, at(0))
    history.look(SERVING, at(1000))
    const now = at((HISTORY_SECONDS + 60) * 1000)
    history.look(SERVING, now)

    expect(history.read(now).changes).toEqual([{ at: BEGIN + 1000, state: 'serving', primary: 'node1' }])
  })

  it('keeps a bounded number of changes when they do not end', () => {
    const history = new SessionHistory()
    for (let turn = 0; turn < 10 * CHANGES_MAX; turn++) {
      history.look({ ...SERVING, primary: `node${turn % 2}` }, at(turn * 10))
    }

    expect(history.read(at(10_000)).changes.length).toBeLessThanOrEqual(CHANGES_MAX + 1)
  })
})
