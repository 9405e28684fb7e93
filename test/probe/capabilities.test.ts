import { describe, expect, it } from 'vitest'
import { explainMissingGrants, parseCapabilities, quoteIdentifier } from '../../src/probe/capabilities.ts'
import { CAPABILITIES } from './fake-postgres.ts'

const ALL_COLUMNS = {
  node_id: true,
  upstream_node_id: true,
  active: true,
  node_name: true,
  type: true,
  conninfo: true,
  config_file: true,
}

function learn(changes: Readonly<Record<string, unknown>>) {
  return parseCapabilities(JSON.stringify({ ...CAPABILITIES, ...changes }))
}

function missing(changes: Readonly<Record<string, unknown>>, discovery = true) {
  return explainMissingGrants(learn(changes), { discovery })
}

describe('parseCapabilities', () => {
  it('takes a server without repmgr, or with another table of that name, for one without', () => {
    expect(learn({}).repmgr).toEqual({ kind: 'absent' })
    expect(learn({ schemaUsage: true, columns: { id: true } }).repmgr).toEqual({ kind: 'absent' })
  })

  it('reads the rows without addresses when only conninfo is out of reach', () => {
    const columns = { ...ALL_COLUMNS, conninfo: false, config_file: false }
    expect(learn({ schemaUsage: true, columns, localNodeId: true }).repmgr).toEqual({
      kind: 'readable',
      conninfo: false,
      localNodeId: true,
    })
  })

  it('refuses the name of a function that would be more than a name in the statement for a superuser', () => {
    const injected = 'pg_catalog.pg_control_system() TO pgha; ALTER ROLE evil SUPERUSER; --'
    expect(() => learn({ deniedFunctions: [injected] })).toThrow('something else')
    expect(() => learn({ deniedFunctions: ['public.pg_is_in_recovery()'] })).toThrow('something else')
  })

  it('refuses an answer of another shape, and a server that is too old', () => {
    expect(() => parseCapabilities('{}')).toThrow('something else')
    expect(() => parseCapabilities('not JSON')).toThrow('something else')
    expect(() => learn({ serverVersion: '100023' })).toThrow('PostgreSQL 11 or newer')
  })
})

describe('explainMissingGrants', () => {
  it('has nothing to say when all is granted', () => {
    expect(missing({ schemaUsage: true, columns: ALL_COLUMNS, localNodeId: true })).toEqual([])
  })

  it('gives the exact statements for a role that has only LOGIN', () => {
    const columns = Object.fromEntries(Object.keys(ALL_COLUMNS).map((name) => [name, false]))
    expect(missing({ readsWalReceiver: false, schemaUsage: false, columns })).toEqual([
      'GRANT pg_read_all_stats TO pgha',
      'GRANT USAGE ON SCHEMA repmgr TO pgha',
      'GRANT SELECT (node_id, upstream_node_id, active, node_name, type) ON repmgr.nodes TO pgha',
      'GRANT SELECT (conninfo) ON repmgr.nodes TO pgha',
    ])
  })

  it('asks for conninfo only where nodes are to be discovered', () => {
    const without = { schemaUsage: true, columns: { ...ALL_COLUMNS, conninfo: false } }
    expect(missing(without, true)).toEqual(['GRANT SELECT (conninfo) ON repmgr.nodes TO pgha'])
    expect(missing(without, false)).toEqual([])
  })

  it('names functions that somebody revoked', () => {
    expect(missing({ deniedFunctions: ['pg_catalog.pg_control_system()'] })).toEqual([
      'GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO pgha',
    ])
  })
})

describe('quoteIdentifier', () => {
  it.each([
    ['pgha', 'pgha'],
    ['Pgha', '"Pgha"'],
    ['my-role', '"my-role"'],
    ['a"b', '"a""b"'],
    ['public', '"public"'],
    ['1st', '"1st"'],
  ])('writes %s as %s', (name, quoted) => {
    expect(quoteIdentifier(name)).toBe(quoted)
  })
})
