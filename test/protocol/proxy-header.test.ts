import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  PROXY_V1_BYTES_MAX,
  PROXY_V2_BYTES_MAX,
  type ProxyHeaderResult,
  parseProxyHeader,
} from '../../src/protocol/proxy-header.ts'
import {
  addressBlock,
  TCP4,
  TCP4_V2,
  tlv,
  V2_FAMILIES,
  V2_LOCAL,
  V2_PROXY,
  version1,
  version2,
} from './proxy-header-bytes.ts'
import { firstPacket, PROTOCOL_3_0, parameters, wireLikeBytes } from './wire-bytes.ts'

const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'app']))
const { tcp4, tcp6, udp4, udp6, unix, unspec } = V2_FAMILIES
const V6_BLOCK = addressBlock('20010db8000000000000000000000001', '20010db8000000000000000000000002', 56_324, 5432)
const LONGEST_V1 = version1(`UNKNOWN ${'f'.repeat(39)} ${'f'.repeat(39)} 65535 65535`)

/** `client 203.0.113.7:56324 of 46 bytes`, `no client of 15 bytes`, `malformed`, `incomplete`. */
function summary(result: ProxyHeaderResult): string {
  if (result.kind !== 'header') return result.kind
  const { client, byteLength } = result
  return `${client === null ? 'no client' : `client ${client.address} ${client.port}`} of ${byteLength} bytes`
}

const HEADERS: readonly [name: string, header: Buffer, client: string][] = [
  ['version 1 with IPv4', TCP4, 'client 203.0.113.7 56324'],
  ['version 1 with IPv6 in any spelling', version1('TCP6 2001:DB8:0:0::1 ::1 1 65535'), 'client 2001:db8::1 1'],
  ['version 1 with a mapped IPv4 address', version1('TCP6 ::ffff:203.0.113.7 ::1 1 2'), 'client 203.0.113.7 1'],
  ['version 1 of an unknown protocol', version1('UNKNOWN'), 'no client'],
  ['version 1 of an unknown protocol, with anything behind it', version1('UNKNOWN ?? \0 \r x'), 'no client'],
  ['the longest line there may be', LONGEST_V1, 'no client'],
  ['version 2 with IPv4', TCP4_V2, 'client 203.0.113.7 56324'],
  ['version 2 with IPv6', version2(V2_PROXY, tcp6, V6_BLOCK), 'client 2001:db8::1 56324'],
  [
    'version 2 with a mapped IPv4 address',
    version2(V2_PROXY, tcp6, addressBlock(`${'0'.repeat(20)}ffffcb007107`, '0'.repeat(32), 9, 9)),
    'client 203.0.113.7 9',
  ],
  [
    'version 2 with TLVs, which are skipped',
    version2(
      V2_PROXY,
      tcp4,
      Buffer.concat([TCP4_V2.subarray(16), tlv(0xea, Buffer.from('\x01vpce-1')), tlv(4, Buffer.alloc(9))]),
    ),
    'client 203.0.113.7 56324',
  ],
  ['a health check (LOCAL)', version2(V2_LOCAL, unspec), 'no client'],
  ['a health check with addresses, which do not count', version2(V2_LOCAL, tcp4, TCP4_V2.subarray(16)), 'no client'],
  ['a health check of a family that nobody knows', version2(V2_LOCAL, 0xff), 'no client'],
  ['version 2 without a family', version2(V2_PROXY, unspec), 'no client'],
  ['version 2 of a Unix socket', version2(V2_PROXY, unix, Buffer.alloc(216)), 'no client'],
  ['version 2 of UDP', version2(V2_PROXY, udp4, TCP4_V2.subarray(16)), 'no client'],
  ['version 2 of UDP over IPv6', version2(V2_PROXY, udp6, V6_BLOCK), 'no client'],
  [
    'the longest version 2 that is taken',
    version2(V2_PROXY, tcp4, Buffer.concat([TCP4_V2.subarray(16), Buffer.alloc(PROXY_V2_BYTES_MAX - 28)])),
    'client 203.0.113.7 56324',
  ],
]

describe('a PROXY header', () => {
  it.each(HEADERS)('is read: %s', (_, header, client) => {
    expect(summary(parseProxyHeader(header))).toBe(`${client} of ${header.length} bytes`)
  })

  it.each(HEADERS)('is incomplete at every cut, and ends where it ends: %s', (_, header, client) => {
    for (let cut = 0; cut < header.length; cut += 1) {
      expect(summary(parseProxyHeader(header.subarray(0, cut)))).toBe('incomplete')
    }
    const withMore = Buffer.concat([header, STARTUP])
    expect(summary(parseProxyHeader(withMore))).toBe(`${client} of ${header.length} bytes`)
  })

  it('of version 1 may be as long as the protocol allows', () => {
    expect(LONGEST_V1).toHaveLength(PROXY_V1_BYTES_MAX)
  })

  it.each<[string, Buffer]>([
    ['a startup packet', STARTUP],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n')],
    ['a line of another protocol', Buffer.from('PROXIES TCP4')],
    ['a line that only ends in LF', Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 1 2\n')],
    ['a line of nothing', version1('')],
    ['a protocol that is none', version1('TCP5 203.0.113.7 192.0.2.1 1 2')],
    ['small letters', Buffer.from('proxy TCP4 203.0.113.7 192.0.2.1 1 2\r\n')],
    ['something like UNKNOWN', version1('UNKNOWNS')],
    ['two spaces', version1('TCP4  203.0.113.7 192.0.2.1 1 2')],
    ['a space at the end', version1('TCP4 203.0.113.7 192.0.2.1 1 2 ')],
    ['a field too few', version1('TCP4 203.0.113.7 192.0.2.1 1')],
    ['IPv6 under the name of IPv4', version1('TCP4 ::1 ::1 1 2')],
    ['IPv4 under the name of IPv6', version1('TCP6 203.0.113.7 192.0.2.1 1 2')],
    ['a number above 255', version1('TCP4 203.0.113.256 192.0.2.1 1 2')],
    ['a leading zero in an address', version1('TCP4 203.0.113.07 192.0.2.1 1 2')],
    ['a destination that is no address', version1('TCP4 203.0.113.7 192.0.2 1 2')],
    ['a leading zero in a port', version1('TCP4 203.0.113.7 192.0.2.1 01 2')],
    ['a port above 65535', version1('TCP4 203.0.113.7 192.0.2.1 65536 2')],
    ['a destination port above 65535', version1('TCP4 203.0.113.7 192.0.2.1 1 99999')],
    ['IPv6 with two gaps', version1('TCP6 1::2::3 ::1 1 2')],
    ['IPv6 with a zone', version1('TCP6 fe80::1%eth0 ::1 1 2')],
    ['a line without an end', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(93)}`)],
    ['a line a byte too long', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(92)}\r\n`)],
    ['version 2 of version 1', version2(0x11, tcp4, TCP4_V2.subarray(16))],
    ['version 2 of version 3', version2(0x31, tcp4, TCP4_V2.subarray(16))],
    ['a command that is unassigned', version2(0x22, tcp4, TCP4_V2.subarray(16))],
    ['a family that is unassigned', version2(V2_PROXY, 0x41, Buffer.alloc(216))],
    ['a transport that is unassigned', version2(V2_PROXY, 0x13, Buffer.alloc(216))],
    ['addresses a byte too short', version2(V2_PROXY, tcp4, TCP4_V2.subarray(16, -1))],
    ['IPv6 in the room of IPv4', version2(V2_PROXY, tcp6, TCP4_V2.subarray(16))],
    ['a Unix path too short', version2(V2_PROXY, unix, Buffer.alloc(215))],
    ['version 2 a byte too long', version2(V2_PROXY, tcp4, Buffer.alloc(PROXY_V2_BYTES_MAX - 15))],
    [
      'version 2 that says to be of the greatest length, and has only begun',
      version2(V2_LOCAL, 0, Buffer.alloc(65_535)).subarray(0, 16),
    ],
  ])('is not taken for one: %s', (_, bytes) => {
    expect(summary(parseProxyHeader(bytes))).toBe('malformed')
  })

  it('is told from anything else by the first byte that differs', () => {
    for (const header of [TCP4, TCP4_V2]) {
      for (let index = 0; index < 6; index += 1) {
        const spoilt = Buffer.from(header.subarray(0, index + 1))
        spoilt[index] = (spoilt[index] ?? 0) ^ 0x80
        expect(summary(parseProxyHeader(spoilt))).toBe('malformed')
      }
    }
  })

  it('never throws, is never awaited beyond its bounds, and never says a byte of its sender', () => {
    const bytes = fc.oneof(
      wireLikeBytes(300),
      fc.uint8Array({ maxLength: 5_000 }).map((tail) => Buffer.concat([Buffer.from('PROXY '), tail])),
      fc.uint8Array({ maxLength: 5_000 }).map((tail) => Buffer.concat([TCP4_V2.subarray(0, 12), tail])),
    )
    fc.assert(
      fc.property(bytes, (buffer) => {
        const result = parseProxyHeader(buffer)
        if (result.kind === 'incomplete') expect(buffer.length).toBeLessThan(PROXY_V2_BYTES_MAX)
        if (result.kind === 'header') expect(result.byteLength).toBeLessThanOrEqual(buffer.length)
        if (result.kind === 'malformed') expect(result.problem).toMatch(/^(its?|the) [a-zCR ]+$/)
      }),
    )
  })
})
