import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FramerResult, MessageFramer } from '../../src/protocol/message-framer.ts'
import { cutAt, everyCut, frameNaively, int32, message, surroundings, wireLikeBytes } from './wire-bytes.ts'

const LOGIN = [
  message('R', int32(0)),
  message('S', 'in_hot_standby\0off\0'),
  message('n'),
  message('K', Buffer.alloc(36, 9)),
  message('Z', 'I'),
]

function frame(chunks: readonly Buffer[], messageBytesMax = 1000): { results: FramerResult[]; rest: Buffer } {
  const framer = new MessageFramer({ messageBytesMax })
  const results = chunks.flatMap((chunk) => [...framer.push(chunk)])
  return { results, rest: framer.rest() }
}

const wholeMessages = (results: readonly FramerResult[]) =>
  results.map((result) => (result.kind === 'message' ? result.bytes : result.problem))

describe('MessageFramer', () => {
  it('gives type, payload and all bytes of each message in a chunk', () => {
    const { results, rest } = frame([Buffer.concat(LOGIN)])
    expect(results).toEqual(
      LOGIN.map((bytes) => ({ kind: 'message', type: bytes[0], bytes, payload: bytes.subarray(5) })),
    )
    expect(rest).toHaveLength(0)
  })

  it('gives the same messages wherever the stream is cut', () => {
    for (const chunks of everyCut(Buffer.concat(LOGIN))) {
      expect(wholeMessages(frame(chunks).results)).toEqual(LOGIN)
    }
  })

  it('gives a message no earlier than with its last byte', () => {
    const framer = new MessageFramer({ messageBytesMax: 1000 })
    const bytes = message('S', 'a\0b\0')
    for (const byte of bytes.subarray(0, -1)) expect([...framer.push(Buffer.of(byte))]).toEqual([])
    expect(wholeMessages([...framer.push(bytes.subarray(-1))])).toEqual([bytes])
  })

  it('holds an incomplete message in rest, whatever its truncation', () => {
    const bytes = message('S', 'server_version\x0018.0\0')
    for (let length = 0; length < bytes.length; length++) {
      const { results, rest } = frame([message('n'), bytes.subarray(0, length)])
      expect(wholeMessages(results)).toEqual([message('n')])
      expect(rest).toEqual(bytes.subarray(0, length))
    }
  })

  it('leaves all that follows the last message taken in rest, and goes on from there', () => {
    const framer = new MessageFramer({ messageBytesMax: 1000 })
    const [first, ...others] = LOGIN
    for (const result of framer.push(Buffer.concat(LOGIN))) {
      expect(result).toMatchObject({ bytes: first })
      break
    }
    expect(framer.rest()).toEqual(Buffer.concat(others))
    expect(wholeMessages([...framer.push(message('Z', 'T'))])).toEqual([...others, message('Z', 'T')])
    expect(framer.rest()).toHaveLength(0)
  })

  it('takes a chunk whether or not its messages are asked for', () => {
    const framer = new MessageFramer({ messageBytesMax: 1000 })
    framer.push(message('n'))
    expect(framer.rest()).toEqual(message('n'))
  })

  it('gives bytes that stay as they are when the read buffer is reused', () => {
    const framer = new MessageFramer({ messageBytesMax: 1000 })
    const readBuffer = Buffer.alloc(7)
    const results: FramerResult[] = []
    const stream = Buffer.concat(LOGIN)
    for (let offset = 0; offset < stream.length; offset += readBuffer.length) {
      const chunk = stream.subarray(offset, offset + readBuffer.length)
      chunk.copy(readBuffer)
      results.push(...framer.push(readBuffer.subarray(0, chunk.length)))
      readBuffer.fill(0xee)
    }
    expect(wholeMessages(results)).toEqual(LOGIN)
  })

  it.each([3, 1, 0, -1, -2_147_483_648])('calls a length of %i malformed', (length) => {
    const header = Buffer.concat([Buffer.from('E'), int32(length)])
    const { results, rest } = frame([message('n'), header])
    expect(results.map((result) => result.kind)).toEqual(['message', 'malformed'])
    expect(rest).toEqual(header)
  })

  it('accepts a message of the limit and refuses one byte more as soon as its length is there', () => {
    expect(frame([message('d', Buffer.alloc(95))], 100).results).toMatchObject([{ kind: 'message' }])
    expect(frame([message('d', Buffer.alloc(96)).subarray(0, 5)], 100).results).toEqual([
      { kind: 'malformed', problem: 'message too long' },
    ])
    expect(frame([Buffer.concat([Buffer.from('d'), int32(2_147_483_647)])], 100).results).toMatchObject([
      { kind: 'malformed' },
    ])
  })

  it('calls the bare text of a server that cannot fork malformed and keeps it to be relayed', () => {
    const text = Buffer.from('Ecould not fork new process for connection: Cannot allocate memory\n\0')
    const { results, rest } = frame([text])
    expect(results).toMatchObject([{ kind: 'malformed' }])
    expect(rest).toEqual(text)
  })

  it('stays malformed and takes nothing more', () => {
    const framer = new MessageFramer({ messageBytesMax: 100 })
    const broken = Buffer.concat([Buffer.from('E'), int32(0)])
    expect([...framer.push(broken)]).toMatchObject([{ kind: 'malformed' }])
    expect([...framer.push(message('Z', 'I'))]).toMatchObject([{ kind: 'malformed' }])
    expect(framer.rest()).toEqual(broken)
  })

  it('agrees with a naive framer on any bytes, cut anywhere, whatever lies around them', () => {
    const stream = fc
      .array(
        fc.oneof(
          wireLikeBytes(12),
          wireLikeBytes(12).map((payload) => message('D', payload)),
        ),
        { maxLength: 8 },
      )
      .map((parts) => Buffer.concat(parts))
    fc.assert(
      fc.property(stream, fc.array(fc.nat(100), { maxLength: 10 }), (bytes, offsets) => {
        const naive = frameNaively(bytes)
        const tooLong = naive.rest.length >= 5 && !naive.malformed && naive.rest.readInt32BE(1) >= 1000
        for (const view of surroundings(bytes)) {
          const { results, rest } = frame(cutAt(view, offsets))
          const messages = results.filter((result) => result.kind === 'message')
          expect(messages.map(({ type, payload }) => ({ type: String.fromCharCode(type), payload }))).toEqual(
            naive.messages,
          )
          expect(messages.length < results.length).toBe(naive.malformed || tooLong)
          expect(naive.rest.subarray(0, rest.length)).toEqual(rest)
        }
      }),
      { numRuns: 300 },
    )
  })
})
