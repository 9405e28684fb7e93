import { describe, expect, it } from 'vitest'
import { createProxyTrust, peerAddress } from '../../src/net/client-address.ts'

describe('the address of a peer', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    [undefined, '[local]'],
  ])('of a socket from %s is %s', (remoteAddress, expected) => {
    expect(peerAddress({ remoteAddress })).toBe(expected)
  })
})

describe('trust in a PROXY header', () => {
  const trusts = createProxyTrust(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1/128'])

  it.each(['10.0.0.1', '10.255.255.255', '192.0.2.7', '2001:db8:ffff::9', '::1'])('is given to %s', (peer) => {
    expect(trusts(peer)).toBe(true)
  })

  it.each(['11.0.0.1', '192.0.2.8', '2001:db9::1', '::2', '127.0.0.1', '[local]'])('is not given to %s', (peer) => {
    expect(trusts(peer)).toBe(false)
  })

  it('is given to Unix sockets by name only, and to nobody by default', () => {
    expect(createProxyTrust(['unix'])('[local]')).toBe(true)
    expect(createProxyTrust(['unix'])('127.0.0.1')).toBe(false)
    expect(['[local]', '127.0.0.1', '::1'].some(createProxyTrust([]))).toBe(false)
    expect(createProxyTrust(['0.0.0.0/0'])('[local]')).toBe(false)
  })
})
