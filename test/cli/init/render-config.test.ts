import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { importNginxStream } from '../../../src/cli/init/nginx-stream.ts'
import { renderConfig } from '../../../src/cli/init/render-config.ts'
import type { ListenerAddress } from '../../../src/config/config.ts'
import { mustLoad } from '../../support/config-text.ts'

const listeners = [{ address: { kind: 'tcp', host: '0.0.0.0', port: 5432 }, route: 'primary' }] as const
const nodes = [{ name: 'node1', address: { host: 'pg-0', port: 5432 } }]

describe('a first configuration', () => {
  test('says what it was given, and leaves the rest at its defaults', () => {
    const config = mustLoad(renderConfig({ listeners, nodes, monitorUser: 'pgha', database: 'repmgr' }))
    const minimal =
      'listeners: [{ address: "0.0.0.0:5432" }]\nnodes: [{ name: node1, address: pg-0 }]\nmonitor: { user: pgha }'
    expect(config).toEqual(mustLoad(minimal))
  })

  test('has a comment for people at every part, and the notes at its head', () => {
    const text = renderConfig({
      listeners,
      nodes,
      monitorUser: 'pgha',
      database: 'repmgr',
      notes: ['One\nnote.', 'Another.'],
    })
    expect(text).toContain('# One note.\n# Another.\n')
    for (const part of ['listeners:', 'nodes:', 'monitor:', 'hold:'])
      expect(text).toMatch(new RegExp(`\n# .*\n${part}\n`))
    expect(text.endsWith('\n')).toBe(true)
  })

  test('comes out of an nginx configuration', () => {
    const imported = importNginxStream(
      'upstream pg { server a; server [::1]:6432 backup; } server { listen [::]:5432; proxy_pass pg; }',
    )
    if (!imported.ok) throw new Error(imported.problem)
    const config = mustLoad(renderConfig({ ...imported, monitorUser: 'pgha', database: 'repmgr' }))
    expect(config.nodes).toEqual(imported.nodes)
    expect(config.listeners.map(({ address, route }) => ({ address, route }))).toEqual(imported.listeners)
  })

  test('loads with every kind of address', () => {
    const addresses: ListenerAddress[] = [
      { kind: 'tcp', host: '::', port: 5432 },
      { kind: 'tcp', host: 'db.internal', port: 1 },
      { kind: 'unix', path: '/run/a b: #c/.s.PGSQL.5432' },
    ]
    const all = addresses.map((address) => ({ address, route: 'any' as const }))
    const socketNode = { name: 'node2', address: { host: '/var/run/a:b', port: 5432 } }
    const config = mustLoad(
      renderConfig({ listeners: all, nodes: [...nodes, socketNode], monitorUser: 'x', database: 'y' }),
    )
    expect(config.listeners.map(({ address }) => address)).toEqual(addresses)
    expect(config.nodes[1]).toEqual(socketNode)
  })

  test('loads with any names: of nodes, role and database', () => {
    const name = fc
      .oneof(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 15 }),
        fc.constantFrom('0123', 'null', '~', '- a', 'a: b', `\${X}`, `$\${`, '*a', '#', ' a ', '"', "'", 'off'),
      )
      .filter((text) => !/\p{Cc}/u.test(text) && Buffer.byteLength(text) <= 63)
    fc.assert(
      fc.property(name, name, name, (nodeName, monitorUser, database) => {
        const named = [{ name: nodeName, address: { host: 'pg-0', port: 5432 } }]
        const config = mustLoad(renderConfig({ listeners, nodes: named, monitorUser, database }))
        expect(config.nodes[0]?.name).toBe(nodeName)
        expect(config.monitor).toMatchObject({ user: monitorUser, database })
      }),
      { numRuns: 500 },
    )
  })
})
