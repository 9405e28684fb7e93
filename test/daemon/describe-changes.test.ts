import { describe, expect, it } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { describeChanges } from '../../src/daemon/describe-changes.ts'

function configOf(text: string): Config {
  const loaded = loadConfig({ text, environment: {} })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
  return loaded.config
}

const BASE = `
listeners:
  - address: 127.0.0.1:5432
    route: primary
nodes:
  - { name: node1, address: pg-0:5432 }
  - { name: node2, address: pg-1:5432 }
monitor: { user: pgha, password: sesame }
`
const before = configOf(BASE)
const changesTo = (after: Config) => describeChanges(before, after)

describe('describeChanges', () => {
  it('says nothing of equal configurations', () => {
    expect(changesTo(configOf(BASE))).toEqual({ live: [], afterRestart: [] })
  })

  it('names a setting as it is written in the file, with both values', () => {
    const after: Config = { ...before, monitor: { ...before.monitor, intervalMs: 250, decisionTtlMs: 4000 } }

    expect(changesTo(after)).toEqual({
      live: ['monitor.interval: 500 -> 250', 'monitor.decision_ttl: 5000 -> 4000'],
      afterRestart: [],
    })
  })

  it('never shows a secret, but says that it has changed', () => {
    const after: Config = { ...before, monitor: { ...before.monitor, password: 'open barley' } }
    const { live } = changesTo(after)

    expect(live).toEqual(['monitor: a secret'])
    expect(JSON.stringify(changesTo(after))).not.toMatch(/sesame|barley/)
  })

  it('shows which nodes there were and are, also when one has only moved', () => {
    const moved = configOf(BASE.replace('pg-1:5432', 'pg-9:5432'))
    const [line = ''] = changesTo(moved).live

    expect(line).toBe('nodes: [node1 pg-0:5432, node2 pg-1:5432] -> [node1 pg-0:5432, node2 pg-9:5432]')
  })

  it('tells a change of a listener that keeps its address from no change', () => {
    const other = configOf(BASE.replace('route: primary', 'route: any'))
    const [line = ''] = changesTo(other).live
    const [was, is] = line.split(' -> ')

    expect(line).toContain('127.0.0.1:5432')
    expect(was).toContain('primary')
    expect(is).toContain('any')
  })

  it('shows who may speak for others, and permissions as chmod takes them', () => {
    const other = configOf(
      BASE.replace(
        'route: primary',
        'route: primary\n    proxy_protocol: { from: [10.0.0.0/8, "::1"] }\n  - { address: "unix:/run/pg", socket_mode: 0750 }',
      ),
    )
    const [, is = ''] = (changesTo(other).live[0] ?? '').split(' -> ')

    expect(is).toMatch(/127\.0\.0\.1:5432 primary .*10\.0\.0\.0\/8 ::1 /)
    expect(is).toMatch(/unix:\/run\/pg primary .*0750/)
  })

  it.each<[string, Partial<Config>]>([
    ['admin', { admin: null }],
    ['state_dir', { stateDir: '/elsewhere' }],
    ['workers', { workers: 'auto' }],
    ['log.format', { log: { ...before.log, format: 'pretty' } }],
  ])('says that a change of %s waits for a restart', (path, change) => {
    const { live, afterRestart } = changesTo({ ...before, ...change })

    expect(live).toEqual([])
    expect(afterRestart.length).toBe(1)
    expect(afterRestart[0]?.startsWith(path)).toBe(true)
  })

  it('says so of the address of the admin server, and of no other setting of it', () => {
    const socket = configOf(
      `${BASE}admin: { address: "unix:/run/admin.sock", socket_mode: 0660, token: barley-barley-barley }`,
    )
    expect(changesTo(socket)).toEqual({
      live: ['admin.token: null -> "[redacted]"'],
      afterRestart: ['admin.address: 127.0.0.1:8432 -> unix:/run/admin.sock', 'admin.socket_mode: 0600 -> 0660'],
    })
    const named = configOf(`${BASE}admin: { hosts: [proxy] }`)
    expect(changesTo(named)).toEqual({ live: ['admin.hosts: [] -> ["proxy"]'], afterRestart: [] })
  })

  it('tells of another admin token in the same file, and shows neither', () => {
    const file = configOf(`${BASE}admin: { token_file: /etc/token }`)
    expect(describeChanges(file, file, { isTokenNew: true })).toEqual({
      live: ['admin.token_file: another token in it'],
      afterRestart: [],
    })
    const tokens = ['one', 'two'].map((token) => configOf(`${BASE}admin: { token: ${token} }`))
    const [one = file, two = file] = tokens
    expect(describeChanges(one, two, { isTokenNew: true }).live).toEqual(['admin: a secret'])
  })

  it('takes a change of the log level over at once', () => {
    expect(changesTo({ ...before, log: { ...before.log, level: 'debug' } }).live).toEqual([
      'log.level: "info" -> "debug"',
    ])
  })
})
