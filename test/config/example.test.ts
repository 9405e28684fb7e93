import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { z } from 'zod'
import { renderJsonSchema } from '../../src/config/json-schema.ts'
import { formatFaultsOf, mustLoad } from '../support/config-text.ts'

const example = readFileSync(new URL('../../config/ha.example.yaml', import.meta.url), 'utf8')
const schemaFile = readFileSync(new URL('../../config/ha.schema.json', import.meta.url), 'utf8')

type SchemaNode = z.core.JSONSchema.BaseSchema

interface Setting {
  readonly key: string
  readonly path: string
  readonly schema: SchemaNode
}

/** All settings: leaves of the schema, list items as `[]`. */
function settingsOf(node: SchemaNode, path = ''): Setting[] {
  const holder = node.properties === undefined ? node.anyOf?.find(({ properties }) => properties !== undefined) : node
  if (holder?.properties !== undefined) {
    return Object.entries(holder.properties).flatMap(([key, schema]) =>
      typeof schema === 'object' ? settingsOf(schema, path === '' ? key : `${path}.${key}`) : [],
    )
  }
  const item = node.items as SchemaNode | undefined
  if (item?.properties !== undefined) return settingsOf(item, `${path}[]`)
  return [{ key: path.split('.').at(-1) ?? '', path, schema: node }]
}

/** Every value shown for each setting. */
function valuesOf(value: unknown, path = ''): [path: string, value: unknown][] {
  if (Array.isArray(value)) return value.flatMap((item) => valuesOf(item, `${path}[]`))
  if (typeof value !== 'object' || value === null) return [[path, value]]
  return Object.entries(value).flatMap(([key, inner]) => valuesOf(inner, path === '' ? key : `${path}.${key}`))
}

/** Lines such as `  # password_file: /x`: settings without a default, shown but not set. */
const OFFERED = /^( *)# ([a-z_]+: \S+)$/
/** What is for TLS that ends here goes together. */
const TERMINATION = /^ +# (cert|key|client_ca|require|min_version|server_ssl\w+): /

/** The example with one offered line made real, and with it those that it needs. */
function withOffer(line: string): string {
  const isForTermination = TERMINATION.test(line)
  const isReal = (each: string) => each === line || (isForTermination && TERMINATION.test(each))
  const text = example
    .split('\n')
    .map((each) => (isReal(each) ? each.replace(OFFERED, '$1$2') : each))
    .join('\n')
  return isForTermination ? text.replace('mode: passthrough', 'mode: terminate') : text
}
const offers = example.split('\n').filter((line) => OFFERED.test(line))

const settings = settingsOf(JSON.parse(schemaFile) as SchemaNode)
const shown = valuesOf(parse(example))

describe('ha.schema.json', () => {
  test('is what the schema gives (else run: npm run config-schema)', () => {
    expect(schemaFile).toBe(renderJsonSchema())
  })

  test.each(settings)('describes $path', ({ schema }) => {
    expect(schema.description).toMatch(/\S{3}.*\.$/)
  })
})

describe('ha.example.yaml', () => {
  test('names its schema in the first line', () => {
    expect(example).toMatch(/^# yaml-language-server: \$schema=\.\/ha\.schema\.json\n/)
  })

  test('loads without faults', () => {
    expect(mustLoad(example).nodes).toHaveLength(2)
  })

  test.each(settings)('shows $path with its default, if it has one', ({ path, key, schema }) => {
    const values = shown.filter(([shownPath]) => shownPath === path).map(([, value]) => value)
    const needed = ['listeners[].address', 'nodes[].name', 'nodes[].address', 'monitor.user']
    if (needed.includes(path)) {
      expect(values.length).toBeGreaterThan(0)
    } else if (schema.default === undefined) {
      // A listener and the admin server have settings of one name: the listener's are further in.
      const place = path.startsWith('listeners') ? /^ {4,}# / : /^ {2}# /
      expect(offers.filter((line) => place.test(line) && line.includes(` ${key}: `))).toHaveLength(1)
    } else {
      // The second listener shows settings that the first cannot have: it differs in its route on purpose.
      expect(values.filter((value) => !(path === 'listeners[].route' && value === 'standby'))).toEqual([schema.default])
    }
  })

  test('has no default that differs from the built-in one', () => {
    const bare = mustLoad(
      'listeners: [{ address: "0.0.0.0:5432" }]\nnodes: [{ name: node1, address: "pg-0:5432" }]\nmonitor: { user: pgha }',
    )
    const { listeners: _listeners, nodes: _nodes, ...others } = mustLoad(example)
    const { listeners: _bareListeners, nodes: _bareNodes, ...bareOthers } = bare
    expect(others).toEqual(bareOthers)
  })

  test('offers at least one setting that is not set', () => {
    expect(offers.length).toBeGreaterThanOrEqual(5)
  })

  test.each(offers)('loads when "%s" is made real', (line) => {
    const text = withOffer(line)
      .replace(/sslmode: prefer/, line.includes('sslrootcert') ? 'sslmode: verify-ca' : 'sslmode: prefer')
      .replace(
        /address: 0.0.0.0:5432/,
        line.startsWith('    # socket_mode') ? 'address: unix:/run/pg' : 'address: 0.0.0.0:5432',
      )
      .replace(
        /address: 127.0.0.1:8432/,
        line.startsWith('  # socket_mode') ? 'address: unix:/run/admin' : 'address: 127.0.0.1:8432',
      )
    expect(mustLoad(text, { PGHA_MONITOR_PASSWORD: 'x', PGHA_ADMIN_TOKEN: 'x' })).not.toEqual(mustLoad(example))
  })

  test('is checked line by line: a mistyped key in it is found', () => {
    expect(formatFaultsOf(example.replace('fast_interval:', 'fastinterval:'))).toContain(
      'did you mean "fast_interval"?',
    )
  })
})
