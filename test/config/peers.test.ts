import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { readPeers } from '../../src/config/peers.ts'
import { formatFaultsOf, MINIMAL, mustLoad } from '../support/config-text.ts'

const withListener = (settings: string, address = '127.0.0.1:5432'): string =>
  MINIMAL.replace('{ address: "127.0.0.1:5432" }', `{ address: "${address}", ${settings} }`)

describe('who may speak for others', () => {
  it.each([
    ['10.0.0.7', '10.0.0.7'],
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8:0::1', '2001:db8::1'],
    ['2001:db8::/128', '2001:db8::/128'],
    ['unix', 'unix'],
  ])('is read from %s', (text, value) => {
    expect(readPeers(text)).toEqual({ ok: true, value })
  })

  it.each([
    '',
    'lb.example',
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0.0/8/8',
    '::1/129',
    'fe80::1%eth0',
    'Unix',
    '[::1]',
  ])('is not %j', (text) => {
    expect(readPeers(text).ok).toBe(false)
  })

  it('is nobody unless it is said', () => {
    expect(mustLoad(MINIMAL).listeners[0]?.proxyProtocol).toEqual({ from: [] })
    expect(mustLoad(withListener('proxy_protocol: { from: [10.0.0.0/8, unix] }')).listeners[0]?.proxyProtocol).toEqual({
      from: ['10.0.0.0/8', 'unix'],
    })
  })

  it('is named with its place when it cannot be read', () => {
    expect(formatFaultsOf(withListener('proxy_protocol: { from: [10.0.0.0/8, lb.example] }'))).toContain(
      'listeners[0].proxy_protocol.from[1]: is no address or network',
    )
  })

  it('should not be everybody', () => {
    const loaded = loadConfig({ text: withListener('proxy_protocol: { from: ["::/0"] }'), environment: {} })
    expect(loaded.ok && loaded.warnings.map(({ path }) => path)).toContain('listeners[0].proxy_protocol.from')
  })
})

describe('socket_mode', () => {
  const modeOf = (settings: string): number | undefined =>
    mustLoad(withListener(settings, 'unix:/run/pg/.s.PGSQL.5432')).listeners[0]?.socketMode

  it.each([
    ['0770', 0o770],
    ['"0770"', 0o770],
    ['770', 0o770],
    ['0o770', 0o770],
    ['0000', 0],
  ])('is octal, however it is written: %s', (text, mode) => {
    expect(modeOf(`socket_mode: ${text}`)).toBe(mode)
  })

  it('is that of PostgreSQL unless it is said', () => {
    expect(modeOf('route: primary')).toBe(0o777)
  })

  it.each(['0888', '07770', 'rwx', '-770', '7'])('is not %s', (text) => {
    expect(formatFaultsOf(withListener(`socket_mode: ${text}`, 'unix:/run/pg'))).toContain(
      'is not permissions in octal',
    )
  })

  it.each(['127.0.0.1:5432', 'fd:pg'])('has no effect on %s', (address) => {
    expect(formatFaultsOf(withListener('socket_mode: 0770', address))).toContain('has no effect on an address')
  })
})
