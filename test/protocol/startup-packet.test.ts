import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readBackendKey } from '../../src/protocol/backend-key-data.ts'
import {
  buildSslRequest,
  type FirstPacketResult,
  parseFirstPacket,
  STARTUP_PACKET_BYTES_MAX,
  type StartupPacket,
} from '../../src/protocol/startup-packet.ts'
import {
  firstPacket,
  int32,
  PROTOCOL_3_0,
  PROTOCOL_3_2,
  parameters,
  surroundings,
  wireLikeBytes,
} from './wire-bytes.ts'

const SSL_REQUEST = 80_877_103
const GSSENC_REQUEST = 80_877_104
const CANCEL_REQUEST = 80_877_102

const parse = (buffer: Buffer) => parseFirstPacket(buffer, { directTlsAllowed: true })

function packetOf(result: FirstPacketResult): StartupPacket {
  if (result.kind !== 'packet') throw new Error(`not a packet: ${JSON.stringify(result)}`)
  return result.packet
}

function parametersOf(bytes: Buffer): Record<string, string> {
  const packet = packetOf(parse(bytes))
  if (packet.kind !== 'startup-message') throw new Error(`not a StartupMessage: ${packet.kind}`)
  return Object.fromEntries(packet.parameters)
}

const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'app'], ['database', 'shop']))

describe('StartupMessage', () => {
  it('gives version and parameters', () => {
    const packet = packetOf(parse(STARTUP))
    expect(packet).toEqual({
      kind: 'startup-message',
      protocolMajor: 3,
      protocolMinor: 0,
      parameters: new Map([
        ['user', 'app'],
        ['database', 'shop'],
      ]),
    })
  })

  it.each([0, 1, 2, 9999, 65_535])('accepts protocol 3.%i', (minor) => {
    const packet = packetOf(parse(firstPacket((3 << 16) | minor, parameters(['user', 'app']))))
    expect(packet).toMatchObject({ protocolMajor: 3, protocolMinor: minor })
  })

  it('accepts protocol options and any setting', () => {
    const pairs = {
      user: 'app',
      replication: 'database',
      options: '-c geqo=off',
      application_name: 'naïve',
      '_pq_.test_protocol_negotiation': '',
    }
    expect(parametersOf(firstPacket(PROTOCOL_3_2, parameters(...Object.entries(pairs))))).toEqual(pairs)
  })

  it('takes the last value of a name given twice, as the server does', () => {
    expect(parametersOf(firstPacket(PROTOCOL_3_0, parameters(['user', 'first'], ['user', 'last'])))).toEqual({
      user: 'last',
    })
  })

  it('accepts empty values', () => {
    expect(parametersOf(firstPacket(PROTOCOL_3_0, parameters(['user', ''], ['database', ''])))).toEqual({
      user: '',
      database: '',
    })
  })

  it('leaves a missing user for the server to refuse', () => {
    expect(parametersOf(firstPacket(PROTOCOL_3_0, '\0'))).toEqual({})
  })

  it.each([
    ['no parameters and no terminator', ''],
    ['no terminator', 'user\0app\0'],
    ['a value without its zero', 'user\0app'],
    ['a name without a value', 'user\0'],
    ['a name without its zero', 'user\0app\0database'],
    ['a last byte that is no zero', 'user\0app\0x'],
    ['bytes after the terminator', 'user\0app\0\0\0'],
    ['a terminator before the pairs', '\0user\0app\0\0'],
  ])('refuses %s', (_, body) => {
    expect(parse(firstPacket(PROTOCOL_3_0, body))).toEqual({
      kind: 'malformed',
      problem: 'expected terminator as last byte',
    })
  })

  it('reads back whatever pairs were written', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', ''))
    const pair = fc.tuple(
      text.filter((name) => name !== ''),
      text,
    )
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 20 }), (pairs) => {
        const packet = packetOf(parse(firstPacket(PROTOCOL_3_0, parameters(...pairs))))
        expect(packet).toMatchObject({ parameters: new Map(pairs) })
      }),
    )
  })
})

describe('SSLRequest and GSSENCRequest', () => {
  it('knows both', () => {
    expect(packetOf(parse(firstPacket(SSL_REQUEST)))).toEqual({ kind: 'ssl-request' })
    expect(packetOf(parse(firstPacket(GSSENC_REQUEST)))).toEqual({ kind: 'gssenc-request' })
  })

  it('refuses any other length than 8 before the bytes are there', () => {
    for (const code of [SSL_REQUEST, GSSENC_REQUEST]) {
      expect(parse(firstPacket(code, 'x').subarray(0, 8)).kind).toBe('malformed')
    }
  })

  it('reads back the SSLRequest that the proxy sends', () => {
    expect(buildSslRequest()).toEqual(firstPacket(SSL_REQUEST))
    expect(packetOf(parse(buildSslRequest()))).toEqual({ kind: 'ssl-request' })
  })
})

describe('CancelRequest', () => {
  const keyBytes = (secretBytes: number) => Buffer.concat([int32(4711), Buffer.alloc(secretBytes, 0xfe)])

  it.each([4, 5, 32, 255, 256])('accepts a secret of %i bytes', (secretBytes) => {
    const key = keyBytes(secretBytes)
    expect(packetOf(parse(firstPacket(CANCEL_REQUEST, key)))).toEqual({
      kind: 'cancel-request',
      key: key.toString('latin1'),
    })
  })

  it.each([-4, 0, 3, 257, 9000])('refuses a secret of %i bytes before the bytes are there', (secretBytes) => {
    const header = Buffer.concat([int32(12 + secretBytes), int32(CANCEL_REQUEST)])
    expect(parse(header)).toEqual({ kind: 'malformed', problem: 'wrong length of cancel request' })
  })

  it('gives the same key as the BackendKeyData of the session', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 260 }), (bytes) => {
        const key = Buffer.from(bytes)
        expect(packetOf(parse(firstPacket(CANCEL_REQUEST, key)))).toEqual({
          kind: 'cancel-request',
          key: readBackendKey(key),
        })
      }),
    )
  })
})

describe('direct TLS', () => {
  it('is known by its first byte alone', () => {
    expect(parse(Buffer.from([0x16]))).toEqual({ kind: 'direct-tls' })
    expect(parse(Buffer.from([0x16, 3, 1, 2, 0, 1]))).toEqual({ kind: 'direct-tls' })
  })

  it('is malformed where it is not allowed', () => {
    const hello = Buffer.from([0x16, 3, 1, 2, 0, 1])
    expect(parseFirstPacket(hello.subarray(0, 3), { directTlsAllowed: false })).toEqual({ kind: 'incomplete' })
    expect(parseFirstPacket(hello, { directTlsAllowed: false })).toEqual({
      kind: 'malformed',
      problem: 'length out of bounds',
    })
  })
})

describe('protocol majors other than 3', () => {
  it.each([
    [0, 0],
    [1, 0],
    [2, 0],
    [4, 0],
    [4, 7],
    [1234, 5677],
    [1234, 5681],
    [65_535, 65_535],
  ])('%i.%i is not supported, and that is known after 8 bytes', (major, minor) => {
    const header = Buffer.concat([int32(300), int32(major * 65_536 + minor)])
    const expected = { kind: 'unsupported-protocol', protocolMajor: major, protocolMinor: minor }
    expect(parse(header)).toEqual(expected)
    expect(parse(Buffer.concat([header, Buffer.alloc(292)]))).toEqual(expected)
  })
})

describe('the length', () => {
  it.each([-2_147_483_648, -1, 0, 4, 7, STARTUP_PACKET_BYTES_MAX + 1, 0x47455420, 2_147_483_647])(
    '%i is refused as soon as it is there',
    (length) => {
      expect(parse(int32(length))).toEqual({ kind: 'malformed', problem: 'length out of bounds' })
    },
  )

  it('may be the 10,000 bytes PostgreSQL allows after the length word, not one more', () => {
    const fill = (bytes: number) => parameters(['user', 'u'.repeat(bytes - 8 - 'user\0\0\0'.length)])
    const largest = firstPacket(PROTOCOL_3_0, fill(STARTUP_PACKET_BYTES_MAX))
    expect(largest.readInt32BE(0)).toBe(10_004)
    expect(parse(largest).kind).toBe('packet')
    expect(parse(firstPacket(PROTOCOL_3_0, fill(STARTUP_PACKET_BYTES_MAX + 1))).kind).toBe('malformed')
  })
})

describe('a packet that comes in pieces', () => {
  const packets: readonly (readonly [string, Buffer])[] = [
    ['StartupMessage', STARTUP],
    ['SSLRequest', firstPacket(SSL_REQUEST)],
    ['GSSENCRequest', firstPacket(GSSENC_REQUEST)],
    ['CancelRequest', firstPacket(CANCEL_REQUEST, Buffer.alloc(36, 7))],
  ]

  it.each(packets)('%s is incomplete until its last byte', (_, bytes) => {
    for (let length = 0; length < bytes.length; length++) {
      expect(parse(bytes.subarray(0, length)), `after ${length} bytes`).toEqual({ kind: 'incomplete' })
    }
    expect(parse(bytes).kind).toBe('packet')
  })

  it.each(packets)('%s is given as a view of exactly its bytes, and what follows is left alone', (_, bytes) => {
    const received = Buffer.concat([bytes, Buffer.from('early')])
    const result = parse(received)
    if (result.kind !== 'packet') throw new Error(result.kind)
    expect(result.bytes).toEqual(bytes)
    expect(result.bytes.buffer).toBe(received.buffer)
    expect(result.bytes.byteOffset).toBe(received.byteOffset)
    expect(result.packet).toEqual(packetOf(parse(bytes)))
  })
})

describe('any bytes', () => {
  const declared = fc
    .tuple(
      fc.constantFrom(0, 8, 9, 16, 17, 40, 10_004, 10_005),
      fc.constantFrom(PROTOCOL_3_0, PROTOCOL_3_2, SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST, 131_072),
      wireLikeBytes(60),
    )
    .map(([length, code, body]) => Buffer.concat([int32(length), int32(code), body]))
  const bytes = fc.oneof(wireLikeBytes(60), declared)

  it('give a value that does not depend on what lies around them', () => {
    fc.assert(
      fc.property(bytes, fc.boolean(), (input, directTlsAllowed) => {
        const expected = parseFirstPacket(Buffer.from(input), { directTlsAllowed })
        for (const view of surroundings(input)) {
          expect(parseFirstPacket(view, { directTlsAllowed })).toEqual(expected)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('give a verdict that more bytes do not change', () => {
    fc.assert(
      fc.property(bytes, wireLikeBytes(20), (input, more) => {
        const first = parse(input)
        if (first.kind !== 'incomplete') expect(parse(Buffer.concat([input, more]))).toEqual(first)
      }),
      { numRuns: 500 },
    )
  })
})
