/** A load balancer's PROXY header, whole and in pieces. Fuzz target. */
import { isIPv4, isIPv6 } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import {
  PROXY_V1_BYTES_MAX,
  PROXY_V2_BYTES_MAX,
  type ProxyHeaderResult,
  parseProxyHeader,
} from '../../../src/protocol/proxy-header.ts'
import { surroundings } from '../../protocol/wire-bytes.ts'
import { ensure, type FuzzTarget } from '../target.ts'

const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const version2 = (command: number, family: number, body: Buffer): Buffer =>
  Buffer.concat([V2, Buffer.of(command, family, 0, body.length), body])
const V4_BODY = Buffer.of(10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0x15, 0x38)

const proxyHeader: FuzzTarget = {
  name: 'proxy-header',
  oracle:
    'final at the same byte however it comes, bounded, reads nothing beyond; a client it names has an address and a port',
  covers: ['src/protocol/proxy-header.ts', 'src/protocol/ip-text.ts'],
  inputBytesMax: 5_000,
  seeds: [
    'PROXY TCP4 10.0.0.1 10.0.0.2 12345 5432\r\nrest',
    'PROXY TCP6 2001:db8::1 ::ffff:10.0.0.2 1 65535\r\n',
    'PROXY UNKNOWN whatever\r\n',
    version2(0x21, 0x11, V4_BODY),
    version2(0x21, 0x21, Buffer.alloc(36, 7)),
    version2(0x20, 0x00, Buffer.alloc(3)),
  ],
  dictionary: [
    'PROXY ',
    'TCP4 ',
    'TCP6 ',
    'UNKNOWN',
    ' ',
    '\r\n',
    '::',
    ':',
    '.',
    '0',
    '00',
    '255',
    '65536',
    'ffff',
    V2,
    V4_BODY,
  ],
  run: (input) => {
    const whole = parseProxyHeader(input)
    if (input.length < 300) {
      for (const view of surroundings(input)) {
        ensure(isDeepStrictEqual(parseProxyHeader(view), whole), 'nothing is read beyond the bytes')
      }
    }
    let final: ProxyHeaderResult | null = null
    const step = Math.max(1, Math.floor(input.length / 128))
    for (let cut = 0; cut <= input.length; cut = cut === input.length ? cut + 1 : Math.min(cut + step, input.length)) {
      const result = parseProxyHeader(input.subarray(0, cut))
      ensure(final === null || isDeepStrictEqual(result, final), 'what is final stays as it is')
      if (result.kind !== 'incomplete') final = result
      else ensure(cut < Math.max(PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX), 'no more than a legal header is awaited')
    }
    if (whole.kind !== 'header') return
    ensure(whole.byteLength > 0 && whole.byteLength <= input.length, 'a header is as long as it says')
    const { client } = whole
    if (client === null) return
    ensure(isIPv4(client.address) || isIPv6(client.address), 'a client has an address')
    ensure(!client.address.includes('%') && client.port >= 0 && client.port <= 65_535, 'and a port')
    // Both are compared as text, and counted: one address must have one spelling.
    const again = `PROXY TCP${isIPv4(client.address) ? 4 : 6} ${client.address} ${client.address} ${client.port} 1\r\n`
    const reread = parseProxyHeader(Buffer.from(again))
    ensure(reread.kind === 'header' && isDeepStrictEqual(reread.client, client), 'an address has one spelling')
  },
}

export const PROXY_HEADER_TARGETS = [proxyHeader]
