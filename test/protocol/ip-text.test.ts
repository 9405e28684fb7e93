import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatIpv4, formatIpv6, readIpv4, readIpv6 } from '../../src/protocol/ip-text.ts'

/** What the system takes for canonical; a mapped IPv4 address counts as that itself. */
const canonical = (address: string): string =>
  new SocketAddress({ address, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '')

/** Bytes of an address, with runs of zeroes as real ones have them. */
const v6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff])))
const nearAddress = fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.%'), maxLength: 40 })

describe('the text of an address', () => {
  it('is the canonical one, as the system has it', () => {
    fc.assert(
      fc.property(v6Bytes, (bytes) => {
        const full = bytes.toString('hex').match(/.{4}/g)?.join(':') ?? ''
        // The system writes ::1.2.3.4, an obsolete form, for what begins with six zero groups.
        fc.pre(!bytes.subarray(0, 12).every((byte) => byte === 0))
        expect(formatIpv6(bytes, 0)).toBe(canonical(full))
        expect(readIpv6(full)).toBe(canonical(full))
      }),
    )
  })

  it('is read when it is an address, and only then', () => {
    fc.assert(
      fc.property(fc.oneof(nearAddress, fc.ipV6(), fc.ipV4()), (text) => {
        expect(readIpv4(text) !== null).toBe(isIPv4(text))
        expect(readIpv6(text) !== null).toBe(isIPv6(text) && !text.includes('%'))
      }),
    )
  })

  it.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
    ['1:0:2:0:3:0:4:0', '1:0:2:0:3:0:4:0'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ])('of %s is %s', (text, expected) => {
    expect(readIpv6(text)).toBe(expected)
  })

  it.each([
    '',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'g::',
    '1.2.3.4',
    '::1.2.3',
    '1:2:3:4:5:6:7::8',
    '::1.2.3.4:5',
  ])('is not %j', (text) => {
    expect(readIpv6(text)).toBeNull()
  })

  it('of four bytes is four numbers', () => {
    expect(formatIpv4(Buffer.from([9, 203, 0, 113, 255]), 1)).toBe('203.0.113.255')
  })
})
