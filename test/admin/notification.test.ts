import { describe, expect, it } from 'vitest'
import { readNotification } from '../../src/admin/notification.ts'
import { notifyToken } from '../../src/admin/notify-token.ts'
import { EVENT_LABELS, eventLabel } from '../../src/observability/repmgr-events.ts'

describe('readNotification', () => {
  it('takes what repmgr puts in for its placeholders, numbers as text', () => {
    const fields = {
      event: 'standby_promote',
      node: '2',
      success: '1',
      details: 'server "node2" was promoted',
      timestamp: '2026-01-01 00:00:00+00',
    }

    expect(readNotification(fields)).toEqual({
      ok: true,
      notification: {
        event: 'standby_promote',
        nodeId: '2',
        success: true,
        details: 'server "node2" was promoted',
        timestamp: '2026-01-01 00:00:00+00',
      },
    })
  })

  it.each([
    ['1', true],
    [1, true],
    [true, true],
    ['0', false],
    [0, false],
    [false, false],
    ['', null],
    ['perhaps', null],
    [undefined, null],
  ])('reads %j as success %j', (success, expected) => {
    expect(readNotification({ event: 'node_rejoin', success })).toMatchObject({ notification: { success: expected } })
  })

  it('needs the event alone, also one that is not known here', () => {
    const nothing = { nodeId: null, success: null, details: null, timestamp: null }

    expect(readNotification({ event: 'of_a_later_repmgr' })).toEqual({
      ok: true,
      notification: { event: 'of_a_later_repmgr', ...nothing },
    })
  })

  it.each([
    [{}],
    [{ event: 7 }],
    [{ event: '' }],
    [{ event: 'Standby Promote' }],
    [{ event: 'a'.repeat(65) }],
    [{ event: 'standby_promote', '': null }],
    [{ event: 'standby_promote', nodes: '2' }],
  ])('refuses %j', (fields) => {
    expect(readNotification(fields)).toMatchObject({ ok: false })
  })

  it('puts text on one line, and cuts what is too long', () => {
    const details = `first\nsecond\u0000${'x'.repeat(1_000)}`
    const reading = readNotification({ event: 'standby_promote', details, node: '1'.repeat(100) })

    expect(reading.ok && reading.notification.details).toBe(`first second ${'x'.repeat(487)}`)
    expect(reading.ok && reading.notification.nodeId).toHaveLength(64)
  })
})

describe('the label of an event in the metrics', () => {
  it('is the event itself when it is one of those that are counted, else "other"', () => {
    expect(EVENT_LABELS.map(eventLabel)).toEqual(EVENT_LABELS)
    expect(eventLabel('cluster_cleanup')).toBe('other')
  })
})

describe('the token for notifications', () => {
  it('is made of the admin token, always the same, and does not hold it', () => {
    expect(notifyToken('one')).toMatch(/^[0-9a-f]{64}$/)
    expect(notifyToken('one')).toBe(notifyToken('one'))
    expect(notifyToken('one')).not.toBe(notifyToken('two'))
  })
})
