import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { membersFromRows, parseConninfo, parseRepmgrRows } from '../../src/probe/repmgr-nodes.ts'

describe('parseConninfo', () => {
  it.each([
    ['host=node1 user=repmgr dbname=repmgr connect_timeout=2', 'node1', 5432],
    ['host=node1 port=5433', 'node1', 5433],
    ["host = 'node1'  port = '5433'", 'node1', 5433],
    ["  user='it\\'s me' password='a \\\\ b=c' host=node1\n", 'node1', 5432],
    ['password=a\\ b host=node1', 'node1', 5432],
    ["password='' host=node1", 'node1', 5432],
    ['host=node1 hostaddr=10.0.0.1', '10.0.0.1', 5432],
    ['host=node1,node2 port=5433,5434', 'node1', 5433],
    ['host=/var/run/postgresql', '/var/run/postgresql', 5432],
    ['host=node1 port=5432 host=node2', 'node2', 5432],
    ['host=::1', '::1', 5432],
    ['postgresql://node1', 'node1', 5432],
    ['postgres://repmgr:s%40crit@node1:5433/repmgr?connect_timeout=2', 'node1', 5433],
    ['postgresql://repmgr@[::1]:5433/repmgr', '::1', 5433],
    ['postgresql://node1:5433,node2:5434/repmgr', 'node1', 5433],
    ['postgresql:///repmgr?host=node1&port=5433', 'node1', 5433],
    ['postgresql://%2Fvar%2Frun/repmgr', '/var/run', 5432],
    ['postgresql://node1/repmgr?hostaddr=10.0.0.1', '10.0.0.1', 5432],
  ])('reads %j', (text, host, port) => {
    expect(parseConninfo(text)).toEqual({ host, port })
  })

  it.each([
    '',
    'dbname=repmgr',
    'host=',
    "host='node1",
    'node1',
    'host',
    'host=node1 port=0',
    'host=node1 port=65536',
    'host=node1 port=54x2',
    'service=cluster',
    'postgresql://',
    'postgresql:///repmgr',
    'postgresql://node1:99999',
    'postgresql://%ZZ',
    'postgresql://[::1',
    'postgresql://node1?port',
    'postgresql://node1%1b[2J',
    "host='node1\u001b[2J'",
    `host=${'x'.repeat(256)}`,
  ])('finds no address in %j', (text) => {
    expect(parseConninfo(text)).toBeNull()
  })

  it('never throws, and never gives an address that cannot be dialled', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string().map((tail) => `postgresql://${tail}`),
      fc.string().map((tail) => `host=${tail}`),
    )
    fc.assert(
      fc.property(text, (conninfo) => {
        const address = parseConninfo(conninfo)
        if (address === null) return
        expect(address.host).not.toBe('')
        expect(address.port).toBeGreaterThanOrEqual(1)
        expect(address.port).toBeLessThanOrEqual(65_535)
      }),
    )
  })

  it('reads back what libpq would quote', () => {
    const host = fc.string({ minLength: 1 }).filter((text) => !text.includes(',') && text.trim() === text)
    fc.assert(
      fc.property(host, (name) => {
        const quoted = name.replace(/[\\']/g, '\\$&')
        expect(parseConninfo(`user=x host='${quoted}' port=5433`)).toEqual({ host: name, port: 5433 })
      }),
    )
  })

  it('refuses a zero byte, at which a socket would throw', () => {
    expect(parseConninfo('postgresql://a%00b/')).toBeNull()
    expect(parseConninfo('host=a\0b')).toBeNull()
    expect(parseConninfo("host=a password='%00'")).toEqual({ host: 'a', port: 5432 })
  })

  it('stays fast on hostile lengths', () => {
    const startedAt = performance.now()
    for (const unit of ['a', ' ', "'", '\\', '=', 'a=', "a='", 'a= ']) parseConninfo(unit.repeat(50_000))
    expect(performance.now() - startedAt).toBeLessThan(2000)
  })
})

describe('parseRepmgrRows', () => {
  const row = { nodeId: 1, nodeName: 'node1', type: 'primary', active: true, upstreamNodeId: null }

  it('takes the address out of conninfo, and keeps the row without one', () => {
    const rows = parseRepmgrRows([
      { ...row, conninfo: 'host=pg-0 port=5433' },
      { ...row, nodeId: 2, nodeName: 'node2', type: 'standby', upstreamNodeId: 1, conninfo: null },
    ])
    expect(rows).toEqual([
      { ...row, address: { host: 'pg-0', port: 5433 } },
      { ...row, nodeId: 2, nodeName: 'node2', type: 'standby', upstreamNodeId: 1, address: null },
    ])
  })

  it('refuses anything that repmgr does not write', () => {
    expect(parseRepmgrRows(null)).toBeNull()
    expect(parseRepmgrRows([{ ...row, conninfo: null, type: 'leader' }])).toBeNull()
  })
})

describe('membersFromRows', () => {
  it('makes a member of every row with an address, inactive ones and the witness included', () => {
    const address = { host: 'pg-0', port: 5432 }
    const { members, withoutAddress } = membersFromRows([
      { nodeId: 1, nodeName: 'node1', type: 'primary', active: false, upstreamNodeId: null, address },
      { nodeId: 2, nodeName: 'node2', type: 'standby', active: true, upstreamNodeId: 1, address: null },
      { nodeId: 3, nodeName: 'node3', type: 'witness', active: true, upstreamNodeId: 1, address },
    ])
    expect(members.map(({ name, type }) => `${name} ${type}`)).toEqual(['node1 primary', 'node3 witness'])
    expect(withoutAddress).toEqual(['node2'])
  })
})
