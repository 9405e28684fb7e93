import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProbeError } from '../../src/probe/classify-failure.ts'
import { createMessageGate } from '../../src/probe/message-gate.ts'
import { errorMessage, LOGGED_IN, message, oneText } from './fake-postgres.ts'

const CONVERSATION = Buffer.concat([LOGGED_IN, oneText('{}'), errorMessage('57P01', 'bye')])

function failureOf(bytes: Buffer): ProbeError {
  try {
    createMessageGate().accept(bytes)
  } catch (error) {
    if (error instanceof ProbeError) return error
  }
  throw new Error('the gate let it through')
}

describe('createMessageGate', () => {
  it('lets a conversation through unchanged, whole messages at a time, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(CONVERSATION.length), { maxLength: 20 }), (cuts) => {
        const gate = createMessageGate()
        const edges = [0, ...cuts.toSorted((a, b) => a - b), CONVERSATION.length]
        const chunks = edges.slice(1).map((edge, index) => CONVERSATION.subarray(edges[index], edge))
        const passed = chunks.map((chunk) => gate.accept(chunk) ?? Buffer.alloc(0))
        expect(Buffer.concat(passed)).toEqual(CONVERSATION)
      }),
    )
  })

  it('keeps an incomplete message back', () => {
    const gate = createMessageGate()
    expect(gate.accept(LOGGED_IN.subarray(0, 4))).toBeNull()
    expect(gate.accept(LOGGED_IN.subarray(4, 8))).toBeNull()
    expect(gate.accept(LOGGED_IN.subarray(8))).toEqual(LOGGED_IN)
  })

  it.each([
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
    ['TLS', Buffer.from([0x15, 3, 1, 0, 2, 2, 10])],
    ['zeros', Buffer.alloc(10)],
    ['a login message of a gigabyte', Buffer.from([0x52, 0x40, 0, 0, 0])],
  ])('refuses %s at the first bytes', (_, bytes) => {
    expect(failureOf(bytes).failure).toBe('protocol')
  })

  it('refuses a stranger who began like PostgreSQL', () => {
    expect(failureOf(Buffer.concat([LOGGED_IN, Buffer.from('HTTP/1.1 200 OK')])).failure).toBe('protocol')
  })

  it('refuses an error without an end, over which the parser of pg would loop for ever', () => {
    expect(failureOf(message('E', Buffer.alloc(0))).failure).toBe('protocol')
    expect(failureOf(message('E', Buffer.from('SFATAL\0C57P03'))).failure).toBe('protocol')
    expect(failureOf(message('N', Buffer.from('SFATAL\0'))).failure).toBe('protocol')
    expect(failureOf(message('E', Buffer.from('SFATAL\0\0rest'))).failure).toBe('protocol')
    expect(failureOf(message('E', Buffer.from('SFATAL\0M'))).failure).toBe('protocol')
  })

  it('reads the bare words of a postmaster that cannot fork as a server at its limits', () => {
    const error = failureOf(
      Buffer.from('Ecould not fork new process for connection: Resource temporarily unavailable\n\0'),
    )
    expect(error.failure).toBe('too-many-connections')
    expect(error.message).toBe('could not fork new process for connection: Resource temporarily unavailable')
  })
})
