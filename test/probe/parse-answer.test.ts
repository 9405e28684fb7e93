import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAnswer } from '../../src/probe/parse-answer.ts'
import { parseLsn } from '../../src/topology/lsn.ts'
import type { RepmgrEvidence } from '../../src/topology/observation.ts'
import { PRIMARY_ANSWER } from './fake-postgres.ts'

const ABSENT: RepmgrEvidence = { kind: 'absent' }

const RECEIVER = {
  status: 'streaming',
  senderHost: 'pg-0',
  senderPort: 5432,
  receivedTimelineId: 5,
  lastMessageAgeMs: 12.5,
}

const STANDBY_ANSWER = {
  ...PRIMARY_ANSWER,
  inRecovery: true,
  walFile: null,
  writeLsn: null,
  receiveLsn: '0/6000000',
  replayLsn: '0/5FFFFF8',
  walReceiver: RECEIVER,
  checkpointTimelineId: 1,
  minRecoveryTimelineId: 1,
}

function parse(raw: unknown, unread: RepmgrEvidence | null = ABSENT) {
  return parseAnswer(JSON.stringify(raw), unread)
}

describe('parseAnswer', () => {
  it("takes a primary's timeline from its WAL file name, not from the control file that lags behind", () => {
    expect(parse(PRIMARY_ANSWER)).toMatchObject({
      inRecovery: false,
      timelineId: 3,
      timelineIdAtLeast: 3,
      lsn: parseLsn('0/5000060'),
      replayLsn: null,
      walReceiver: null,
    })
    expect(parse({ ...PRIMARY_ANSWER, walFile: '0000001F0000000000000005' })).toMatchObject({ timelineId: 31 })
  })

  it("takes a standby's timeline from its WAL receiver", () => {
    expect(parse(STANDBY_ANSWER)).toMatchObject({
      inRecovery: true,
      timelineId: 5,
      timelineIdAtLeast: 1,
      lsn: parseLsn('0/6000000'),
      replayLsn: parseLsn('0/5FFFFF8'),
      walReceiver: RECEIVER,
    })
  })

  it('knows only a lower bound of the timeline without a receiver, or when the role may not see it', () => {
    const nulls = Object.fromEntries(Object.keys(RECEIVER).map((key) => [key, null]))
    for (const walReceiver of [null, nulls]) {
      expect(parse({ ...STANDBY_ANSWER, walReceiver, minRecoveryTimelineId: 4 })).toMatchObject({
        timelineId: null,
        timelineIdAtLeast: 4,
        walReceiver: null,
      })
    }
  })

  it('never gives a message age below zero', () => {
    const walReceiver = { ...RECEIVER, lastMessageAgeMs: -3 }
    expect(parse({ ...STANDBY_ANSWER, walReceiver })?.walReceiver?.lastMessageAgeMs).toBe(0)
  })

  it("takes -1 as the local node's id for not known", () => {
    const localNodeId = (id: number | null) => {
      const repmgr = parse({ ...PRIMARY_ANSWER, repmgrRows: [], localNodeId: id }, null)?.repmgr
      return repmgr?.kind === 'rows' ? repmgr.localNodeId : 'no rows'
    }
    expect([localNodeId(-1), localNodeId(null), localNodeId(2)]).toEqual([null, null, 2])
  })

  it('keeps what the server says of itself when repmgr.nodes holds something else', () => {
    expect(parse({ ...PRIMARY_ANSWER, repmgrRows: [{ nodeId: 'one' }] }, null)).toMatchObject({
      timelineId: 3,
      repmgr: { kind: 'denied' },
    })
  })

  it.each([
    ['no WAL file', { ...PRIMARY_ANSWER, walFile: null }],
    ['timeline 0', { ...PRIMARY_ANSWER, walFile: '000000000000000000000005' }],
    ['no write position', { ...PRIMARY_ANSWER, writeLsn: null }],
  ])('refuses a primary with %s', (_, raw) => {
    expect(parse(raw)).toBeNull()
  })

  it('refuses what is missing a part, and never throws', () => {
    for (const key of Object.keys(PRIMARY_ANSWER).filter((name) => name !== 'repmgrRows')) {
      expect(parse({ ...PRIMARY_ANSWER, [key]: undefined }), key).toBeNull()
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseAnswer(text, ABSENT)).toBeNull()
      }),
    )
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(parse(value)).toBeNull()
      }),
    )
  })
})
