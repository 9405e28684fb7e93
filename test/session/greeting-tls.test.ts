import { describe, expect, it } from 'vitest'
import { Greeting, type GreetingStep } from '../../src/session/greeting.ts'
import { firstPacket, PROTOCOL_3_0, parameters } from '../protocol/wire-bytes.ts'

const SSL = firstPacket(80_877_103)
const GSS = firstPacket(80_877_104)
const CANCEL = firstPacket(80_877_102, Buffer.from('\0\0\x30\x39secret', 'latin1'))
const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'app']))
const CLIENT_HELLO = Buffer.from('1603010200010001fc0303', 'hex')

function describeStep(step: GreetingStep): string {
  switch (step.kind) {
    case 'request':
      return `request ${step.request.kind}`
    case 'refuse':
      return `refuse ${step.reason.kind}`
    case 'start-tls':
      return `start-tls ${step.isDirect ? 'direct' : 'asked'} ${step.bytes.length}`
    default:
      return step.kind
  }
}

/** What came of each chunk; once TLS has begun its handshake counts as done. */
function steps(requiresTls: boolean, ...chunks: readonly Buffer[]): string[] {
  const greeting = new Greeting({ tlsMode: 'terminate', requiresTls })
  return chunks.map((chunk) => {
    const step = greeting.take(chunk)
    if (step.kind === 'start-tls') greeting.encrypted()
    return describeStep(step)
  })
}

describe('a greeting where TLS ends here', () => {
  it.each<[string, boolean, readonly Buffer[], readonly string[]]>([
    ['SSL, then a startup', false, [SSL, STARTUP], ['start-tls asked 0', 'request startup-message']],
    ['SSL, then a cancel', false, [SSL, CANCEL], ['start-tls asked 0', 'cancel']],
    [
      'GSS, SSL, then a startup',
      false,
      [GSS, SSL, STARTUP],
      ['decline', 'start-tls asked 0', 'request startup-message'],
    ],
    ['direct TLS', false, [CLIENT_HELLO, STARTUP], ['start-tls direct 11', 'request startup-message']],
    ['direct TLS after GSS', false, [GSS, CLIENT_HELLO], ['decline', 'refuse malformed-startup']],
    ['SSL within TLS', false, [SSL, SSL], ['start-tls asked 0', 'refuse malformed-startup']],
    ['SSL within direct TLS', false, [CLIENT_HELLO, SSL], ['start-tls direct 11', 'refuse malformed-startup']],
    ['GSS within TLS', false, [SSL, GSS], ['start-tls asked 0', 'refuse malformed-startup']],
    ['TLS within TLS', false, [SSL, CLIENT_HELLO], ['start-tls asked 0', 'refuse malformed-startup']],
    ['SSL with bytes behind it', false, [Buffer.concat([SSL, CLIENT_HELLO])], ['refuse early-bytes']],
    ['a plain startup', false, [STARTUP], ['request startup-message']],
    ['a plain startup where TLS is required', true, [STARTUP], ['refuse tls-required']],
    ['the same after GSS', true, [GSS, STARTUP], ['decline', 'refuse tls-required']],
    ['a plain cancel where TLS is required', true, [CANCEL], ['cancel']],
    ['SSL where TLS is required', true, [SSL, STARTUP], ['start-tls asked 0', 'request startup-message']],
  ])('reads %s', (_, requiresTls, chunks, expected) => {
    expect(steps(requiresTls, ...chunks)).toEqual(expected)
  })
})
