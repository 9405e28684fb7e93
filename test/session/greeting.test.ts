import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Greeting, type GreetingStep } from '../../src/session/greeting.ts'
import { cutAt, everyCut, firstPacket, PROTOCOL_3_0, parameters, wireLikeBytes } from '../protocol/wire-bytes.ts'

const SSL = firstPacket(80_877_103)
const GSS = firstPacket(80_877_104)
const KEY = Buffer.from('\0\0\x30\x39secret', 'latin1')
const CANCEL = firstPacket(80_877_102, KEY)
const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'app'], ['database', 'shop']))
const CLIENT_HELLO = Buffer.from('1603010200010001fc0303', 'hex')

type TlsMode = 'passthrough' | 'off'

/** What came of each chunk, the one-word kinds as words. */
function steps(tlsMode: TlsMode, ...chunks: readonly Buffer[]): string[] {
  const greeting = new Greeting({ tlsMode })
  return chunks.map((chunk) => describeStep(greeting.take(chunk)))
}

function describeStep(step: GreetingStep): string {
  switch (step.kind) {
    case 'request':
      return `request ${step.request.kind}`
    case 'refuse':
      return `refuse ${step.reason.kind}`
    default:
      return step.kind
  }
}

describe('Greeting', () => {
  it.each<[string, TlsMode, readonly Buffer[], readonly string[]]>([
    ['a plain startup', 'passthrough', [STARTUP], ['request startup-message']],
    ['SSL alone', 'passthrough', [SSL], ['request ssl-request']],
    [
      'SSL, declined by the server, then a startup',
      'passthrough',
      [SSL, STARTUP],
      ['request ssl-request', 'request startup-message'],
    ],
    ['SSL, declined, then a cancel', 'passthrough', [SSL, CANCEL], ['request ssl-request', 'cancel']],
    [
      'SSL, declined, then GSS, then a startup',
      'passthrough',
      [SSL, GSS, STARTUP],
      ['request ssl-request', 'decline', 'request startup-message'],
    ],
    ['GSS, then SSL', 'passthrough', [GSS, SSL], ['decline', 'request ssl-request']],
    ['GSS, then a startup', 'passthrough', [GSS, STARTUP], ['decline', 'request startup-message']],
    ['GSS, then a cancel', 'passthrough', [GSS, CANCEL], ['decline', 'cancel']],
    ['a cancel alone', 'passthrough', [CANCEL], ['cancel']],
    ['direct TLS', 'passthrough', [CLIENT_HELLO], ['request direct-tls']],
    ['direct TLS after SSL', 'passthrough', [SSL, CLIENT_HELLO], ['request ssl-request', 'refuse malformed-startup']],
    ['direct TLS after GSS', 'passthrough', [GSS, CLIENT_HELLO], ['decline', 'refuse malformed-startup']],
    ['SSL twice', 'passthrough', [SSL, SSL], ['request ssl-request', 'refuse malformed-startup']],
    ['GSS twice', 'passthrough', [GSS, GSS], ['decline', 'refuse malformed-startup']],
    ['SSL, GSS, SSL', 'passthrough', [SSL, GSS, SSL], ['request ssl-request', 'decline', 'refuse malformed-startup']],
    ['SSL without TLS, then a startup', 'off', [SSL, STARTUP], ['decline', 'request startup-message']],
    ['SSL and GSS without TLS', 'off', [SSL, GSS, STARTUP], ['decline', 'decline', 'request startup-message']],
    ['SSL twice without TLS', 'off', [SSL, SSL], ['decline', 'refuse malformed-startup']],
    ['direct TLS without TLS', 'off', [CLIENT_HELLO], ['refuse tls-not-offered']],
    ['protocol 2', 'passthrough', [firstPacket(131_072, '\0')], ['refuse unsupported-protocol']],
    ['HTTP', 'passthrough', [Buffer.from('GET / HTTP/1.1\r\n')], ['refuse malformed-startup']],
  ])('reads %s', (_, tlsMode, chunks, expected) => {
    expect(steps(tlsMode, ...chunks)).toEqual(expected)
  })

  it.each<[string, TlsMode, Buffer, string]>([
    ['SSL', 'passthrough', SSL, 'refuse early-bytes'],
    ['SSL without TLS', 'off', SSL, 'refuse early-bytes'],
    ['GSS', 'passthrough', GSS, 'refuse early-bytes'],
  ])('refuses any byte behind a request for %s', (_, tlsMode, request, expected) => {
    for (const early of [Buffer.of(0), STARTUP, CLIENT_HELLO]) {
      expect(steps(tlsMode, Buffer.concat([request, early]))).toEqual([expected])
    }
  })

  it('keeps what follows a startup message, for the server to read', () => {
    const bytes = Buffer.concat([STARTUP, Buffer.from('p\0\0\0\x08abc\0', 'latin1')])
    const step = new Greeting({ tlsMode: 'passthrough' }).take(bytes)

    expect(step).toEqual({ kind: 'request', request: { kind: 'startup-message', bytes } })
  })

  it('gives the bytes of a request unchanged', () => {
    for (const bytes of [STARTUP, SSL, CLIENT_HELLO]) {
      const step = new Greeting({ tlsMode: 'passthrough' }).take(bytes)
      expect(step.kind === 'request' ? step.request.bytes : null).toEqual(bytes)
    }
  })

  it('gives a cancel request with its key, and leaves out what follows it', () => {
    const step = new Greeting({ tlsMode: 'passthrough' }).take(Buffer.concat([CANCEL, Buffer.from('more')]))

    expect(step).toEqual({ kind: 'cancel', key: KEY.toString('latin1'), bytes: CANCEL })
  })

  it('says the same however the bytes are cut', () => {
    for (const packet of [STARTUP, SSL, GSS, CANCEL, CLIENT_HELLO]) {
      for (const chunks of everyCut(packet)) {
        const greeting = new Greeting({ tlsMode: 'passthrough' })
        const said = chunks.map((chunk) => greeting.take(chunk))
        const final = said.find((step) => step.kind !== 'incomplete')
        const [whole] = steps('passthrough', packet)
        expect(final === undefined ? 'incomplete' : describeStep(final)).toBe(whole)
        // Direct TLS is known from the first byte; all else only when the last one is there.
        if (packet !== CLIENT_HELLO) {
          expect(said.slice(0, said.indexOf(final as GreetingStep)).every((step) => step.kind === 'incomplete')).toBe(
            true,
          )
          if (final?.kind === 'request') expect(final.request.bytes).toEqual(packet)
        }
      }
    }
  })

  it('never throws and never asks for more than a first packet may have, whatever it is sent', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<TlsMode>('passthrough', 'off'),
        fc.constantFrom(Buffer.alloc(0), SSL, GSS, STARTUP.subarray(0, 20), CANCEL.subarray(0, 12)),
        wireLikeBytes(64),
        fc.array(fc.nat(80), { maxLength: 6 }),
        (tlsMode, start, noise, cuts) => {
          const greeting = new Greeting({ tlsMode })
          for (const chunk of cutAt(Buffer.concat([start, noise]), cuts)) {
            const step = greeting.take(chunk)
            expect(['incomplete', 'decline', 'request', 'cancel', 'refuse']).toContain(step.kind)
            if (step.kind === 'refuse' || step.kind === 'cancel') return
          }
        },
      ),
    )
    const endless = new Greeting({ tlsMode: 'passthrough' })
    endless.take(firstPacket(PROTOCOL_3_0, Buffer.alloc(9_996, 'x')).subarray(0, 10_003))
    expect(endless.take(Buffer.from('x')).kind).toBe('refuse')
  })
})
