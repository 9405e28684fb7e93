/** The table of docs/reload.md: it has every setting, and says of each what a reload really does with it. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { renderJsonSchema } from '../../src/config/json-schema.ts'
import { AFTER_RESTART, describeChanges } from '../../src/daemon/describe-changes.ts'
import { liveConfig } from '../../src/daemon/live-config.ts'
import { mustLoad } from '../support/config-text.ts'

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
}

/** `hold.timeout`, `nodes[].name`. */
function settingsIn(node: SchemaNode, path = ''): string[] {
  const inner = node.anyOf?.find(({ properties }) => properties !== undefined)
  if (inner !== undefined) return settingsIn(inner, path)
  if (node.properties !== undefined) {
    return Object.entries(node.properties).flatMap(([key, below]) =>
      settingsIn(below, path === '' ? key : `${path}.${key}`),
    )
  }
  return node.items?.properties === undefined ? [path] : settingsIn(node.items, `${path}[]`)
}

const SETTINGS = settingsIn(JSON.parse(renderJsonSchema()) as SchemaNode)
const TABLE = [
  ...readFileSync(new URL('../../docs/reload.md', import.meta.url), 'utf8').matchAll(
    /^\| `([a-z_.[\]]+)` \| (reload|upgrade)\b.*\|$/gm,
  ),
].map(([, setting = '', at = '']) => ({ setting, at }))

describe('the table of settings', () => {
  it('has each setting of the schema once, in its order', () => {
    expect(TABLE.map(({ setting }) => setting)).toEqual(SETTINGS)
  })

  it('says `upgrade` of those that a reload leaves as they were, and of no others', () => {
    const waiting = TABLE.filter(({ at }) => at === 'upgrade').map(({ setting }) => setting)
    expect(waiting.sort()).toEqual([...AFTER_RESTART].sort())
  })

  it.each(AFTER_RESTART)(
    'is right about %s: a reload says that it waits, and goes on with the old value',
    (setting) => {
      const base = (lines: string): string =>
        `listeners: [{ address: "127.0.0.1:1" }]\nnodes: [{ name: a, address: b }]\nmonitor: { user: c, password: d }\n${lines}`
      const values: Readonly<Record<string, readonly [string, string]>> = {
        'admin.address': ['admin: { address: "127.0.0.1:2" }', 'admin: { address: "127.0.0.1:3" }'],
        'admin.socket_mode': [
          'admin: { address: "unix:/a", socket_mode: 0600 }',
          'admin: { address: "unix:/a", socket_mode: 0660 }',
        ],
        state_dir: ['state_dir: /a', 'state_dir: /b'],
        workers: ['workers: 1', 'workers: auto'],
        'log.format': ['log: { format: json }', 'log: { format: pretty }'],
      }
      const [one, other] = values[setting] ?? ['', '']
      const before = mustLoad(base(one))
      const after = mustLoad(base(other))
      expect(describeChanges(before, after)).toMatchObject({
        live: [],
        afterRestart: [expect.stringContaining(setting)],
      })
      expect(liveConfig(before, after)).toEqual(before)
    },
  )
})
