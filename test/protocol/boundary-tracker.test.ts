import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BoundaryTracker } from '../../src/protocol/boundary-tracker.ts'
import { buildErrorResponse } from '../../src/protocol/error-response.ts'
import { cutAt, everyCut, frameNaively, int32, message, surroundings, wireLikeBytes } from './wire-bytes.ts'

const FATAL = 'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'
const NOTICE = 'SWARNING\0VWARNING\0C57P02\0Mterminating connection because of crash\0\0'

interface Seen {
  readonly tracker: BoundaryTracker
  readonly sqlStates: string[]
}

function tracking(chunks: readonly Buffer[] = []): Seen {
  const sqlStates: string[] = []
  const tracker = new BoundaryTracker({ onSqlState: (sqlState, type) => sqlStates.push(`${type} ${sqlState}`) })
  for (const chunk of chunks) tracker.track(chunk)
  return { tracker, sqlStates }
}

function stateOf({ tracker, sqlStates }: Seen) {
  const { atBoundary, malformed, transactionStatus } = tracker
  return { atBoundary, malformed, transactionStatus, sqlStates }
}

/** The SQLSTATE in whole or cut-off fields, read in the plainest way. */
function sqlStateNaively(payload: Buffer): string | null {
  const text = payload.toString('latin1')
  let offset = 0
  while (offset < text.length && text[offset] !== '\0') {
    const end = text.indexOf('\0', offset)
    if (end === -1) return null
    if (text[offset] === 'C') {
      const value = text.slice(offset + 1, end)
      return /^[0-9A-Z]{5}$/.test(value) ? value : null
    }
    offset = end + 1
  }
  return null
}

/** What a tracker has to say after `stream`. */
function expectedAfter(stream: Buffer): ReturnType<typeof stateOf> {
  const { messages, rest, malformed } = frameNaively(stream)
  let transactionStatus: 'I' | 'T' | 'E' | null = null
  const sqlStates: string[] = []
  const parts = [...messages]
  if (rest.length >= 5 && !malformed) parts.push({ type: rest.toString('latin1', 0, 1), payload: rest.subarray(5) })
  for (const { type, payload } of parts) {
    if (type === 'Z') {
      const isCut = parts.length > messages.length && payload === parts.at(-1)?.payload
      const status = payload.toString('latin1')
      transactionStatus = !isCut && (status === 'I' || status === 'T' || status === 'E') ? status : null
    } else if (type === 'E' || type === 'N') {
      const sqlState = sqlStateNaively(payload)
      if (sqlState !== null) sqlStates.push(`${type === 'E' ? 'error' : 'notice'} ${sqlState}`)
    }
  }
  return { atBoundary: rest.length === 0 && !malformed, malformed, transactionStatus, sqlStates }
}

describe('atBoundary', () => {
  it('is true before the first byte', () => {
    expect(tracking().tracker.atBoundary).toBe(true)
  })

  it('is true exactly after the last byte of each message', () => {
    const messages = [
      message('1'),
      message('D', 'row'),
      message('C', 'SELECT 1\0'),
      message('Z', 'I'),
      message('A', ''),
    ]
    const ends = new Set<number>()
    let end = 0
    for (const { length } of messages) {
      end += length
      ends.add(end)
    }

    const { tracker } = tracking()
    Buffer.concat(messages).forEach((byte, index) => {
      tracker.track(Buffer.of(byte))
      expect(tracker.atBoundary, `after byte ${index + 1}`).toBe(ends.has(index + 1))
    })
  })

  it('is false within one message that spans many chunks, and true at its end', () => {
    const { tracker } = tracking([message('d', Buffer.alloc(995)).subarray(0, 100)])
    for (let chunk = 0; chunk < 9; chunk++) {
      expect(tracker.atBoundary).toBe(false)
      tracker.track(Buffer.alloc(100, 'Z'))
    }
    expect(tracker.atBoundary).toBe(true)
  })

  it('steps over the longest message there can be without waiting for it', () => {
    const header = Buffer.concat([Buffer.from('d'), int32(2_147_483_647)])
    const { tracker } = tracking([Buffer.concat([message('Z', 'T'), header]), Buffer.alloc(1000)])
    expect(stateOf({ tracker, sqlStates: [] })).toMatchObject({
      atBoundary: false,
      malformed: false,
      transactionStatus: 'T',
    })
  })

  it('is not changed by an empty chunk', () => {
    const { tracker } = tracking([Buffer.alloc(0)])
    expect(tracker.atBoundary).toBe(true)
    tracker.track(Buffer.from('D'))
    tracker.track(Buffer.alloc(0))
    expect(tracker.atBoundary).toBe(false)
  })
})

describe('malformed', () => {
  it.each([3, 0, -1, -2_147_483_648])('a length of %i makes the boundary unknown for ever', (length) => {
    const broken = Buffer.concat([message('Z', 'T'), Buffer.from('D'), int32(length)])
    for (const chunks of everyCut(broken)) {
      const seen = tracking([...chunks, message('E', FATAL), message('Z', 'I')])
      expect(stateOf(seen)).toEqual({ atBoundary: false, malformed: true, transactionStatus: 'T', sqlStates: [] })
    }
  })
})

describe('transactionStatus', () => {
  it('is null until told otherwise', () => {
    expect(tracking([message('D', 'I')]).tracker.transactionStatus).toBeNull()
    const tracker = new BoundaryTracker({ onSqlState: () => {}, transactionStatus: 'I' })
    expect(tracker.transactionStatus).toBe('I')
  })

  it('is what the last ReadyForQuery says, wherever it is cut', () => {
    for (const status of ['I', 'T', 'E']) {
      const stream = Buffer.concat([message('Z', status === 'I' ? 'T' : 'I'), message('Z', status)])
      for (const chunks of everyCut(stream)) {
        expect(tracking(chunks).tracker.transactionStatus).toBe(status)
      }
    }
  })

  it.each([
    ['of an unknown status', 'X'],
    ['without a status', ''],
    ['with more than a status', 'II'],
  ])('is null after a ReadyForQuery %s', (_, payload) => {
    for (const chunks of everyCut(message('Z', payload))) {
      expect(tracking([message('Z', 'I'), ...chunks]).tracker.transactionStatus).toBeNull()
    }
  })
})

describe('onSqlState', () => {
  it('tells of errors and notices, wherever they are cut', () => {
    const stream = Buffer.concat([message('D', FATAL), message('N', NOTICE), message('E', FATAL), message('Z', 'E')])
    for (const chunks of everyCut(stream)) {
      expect(stateOf(tracking(chunks))).toEqual({
        atBoundary: true,
        malformed: false,
        transactionStatus: 'E',
        sqlStates: ['notice 57P02', 'error 57P01'],
      })
    }
  })

  it('tells of it once in each message', () => {
    const twice = 'C25006\0C57P01\0\0'
    expect(tracking([message('E', twice), message('E', twice)]).sqlStates).toEqual(['error 25006', 'error 25006'])
  })

  it('tells of it also when the message is cut off behind it', () => {
    const cut = message('E', FATAL).subarray(0, 5 + 'SFATAL\0VFATAL\0C57P01\0'.length)
    expect(tracking([cut]).sqlStates).toEqual(['error 57P01'])
    expect(tracking([cut.subarray(0, -1)]).sqlStates).toEqual([])
  })

  it('finds it in a message longer than any chunk, before and behind the long field', () => {
    const long = 'x'.repeat(20_000)
    for (const payload of [`C25006\0M${long}\0\0`, `M${long}\0C25006\0\0`]) {
      const bytes = message('E', payload)
      const chunks = cutAt(bytes, [1000, 2000, 9000, 19_000, bytes.length - 6])
      expect(tracking(chunks).sqlStates).toEqual(['error 25006'])
    }
  })

  it.each([
    ['is missing', 'SERROR\0Mtext\0\0'],
    ['lies behind the end of the fields', 'SERROR\0\0C57P01\0\0'],
    ['is too short', 'C57P0\0\0'],
    ['is too long', 'C57P011\0\0'],
    ['is not of 0-9 and A-Z', 'C57p01\0\0'],
    ['is only text in another field', 'MC57P01\0\0'],
    ['has no end', 'C57P01'],
  ])('says nothing when the SQLSTATE %s', (_, payload) => {
    for (const chunks of everyCut(message('E', payload))) expect(tracking(chunks).sqlStates).toEqual([])
  })

  it('says nothing of the next message what belongs to the one before', () => {
    const stream = Buffer.concat([message('E', 'C57P'), message('E', '01\0\0'), message('N', '')])
    for (const chunks of everyCut(stream)) expect(tracking(chunks).sqlStates).toEqual([])
  })

  it('reads what the proxy itself would send', () => {
    const bytes = buildErrorResponse({ severity: 'FATAL', sqlState: '57P03', message: 'no' })
    expect(tracking([bytes]).sqlStates).toEqual(['error 57P03'])
  })
})

describe('any stream', () => {
  const anyMessage = fc.oneof(
    fc.tuple(fc.constantFrom('1', '2', 'C', 'D', 'T', 'd', 'S'), wireLikeBytes(30)).map(([t, p]) => message(t, p)),
    fc.constantFrom(message('Z', 'I'), message('Z', 'T'), message('Z', 'E'), message('Z', '?'), message('Z', 'IT')),
    fc.constantFrom(message('E', FATAL), message('N', NOTICE)),
    fc.tuple(fc.constantFrom('E', 'N'), wireLikeBytes(30)).map(([t, p]) => message(t, p)),
  )
  const wellFormed = fc.array(anyMessage, { maxLength: 12 }).map((messages) => Buffer.concat(messages))
  const truncated = fc.tuple(wellFormed, fc.nat(40)).map(([bytes, less]) => bytes.subarray(0, -less || undefined))
  const broken = fc.tuple(wellFormed, wireLikeBytes(20), wellFormed).map((parts) => Buffer.concat(parts))
  const offsets = fc.array(fc.nat(300), { maxLength: 30 })

  it('is understood as by a naive framer, however it is cut, and whatever lies around the chunks', () => {
    fc.assert(
      fc.property(fc.oneof(wellFormed, truncated, broken, wireLikeBytes(40)), offsets, (stream, cuts) => {
        const expected = expectedAfter(stream)
        for (const view of surroundings(stream)) expect(stateOf(tracking(cutAt(view, cuts)))).toEqual(expected)
      }),
      { numRuns: 1000 },
    )
  })

  it('is at a boundary in the same places as a naive framer', () => {
    fc.assert(
      fc.property(fc.oneof(wellFormed, broken), offsets, (stream, cuts) => {
        const { tracker } = tracking()
        let tracked = 0
        for (const chunk of cutAt(stream, cuts)) {
          tracker.track(chunk)
          tracked += chunk.length
          expect(tracker.atBoundary).toBe(expectedAfter(stream.subarray(0, tracked)).atBoundary)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('a chunk in a buffer that was used before', () => {
  it('ends where it is said to end: what lies behind it is not looked at', () => {
    const stream = Buffer.concat([message('Z', 'T'), message('E', FATAL), message('d', 'row'), message('Z', 'I')])
    const leftover = Buffer.concat([message('N', NOTICE), message('E', FATAL), Buffer.alloc(20, 0xff)])
    for (const pieces of everyCut(stream)) {
      const seen = tracking()
      for (const piece of pieces) seen.tracker.track(Buffer.concat([piece, leftover]), piece.length)
      expect(stateOf(seen)).toEqual(stateOf(tracking(pieces)))
      expect(stateOf(seen).atBoundary).toBe(true)
    }
  })
})
