import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { formatFaults } from '../../src/config/fault.ts'
import { loadConfig } from '../../src/config/load.ts'
import { REDACTED, redactConfig, SECRET_PATHS } from '../../src/config/redact.ts'
import { documentSchema } from '../../src/config/schema.ts'
import { mustLoad } from '../support/config-text.ts'

const SECRET = 'hunter2'
const head = 'listeners: [{ address: "127.0.0.1:5432" }]\nnodes: [{ name: node1, address: pg-0 }]\n'

/** Dotted paths of all settings with `writeOnly`. */
function writeOnlyPaths(node: z.core.JSONSchema.BaseSchema, path: readonly string[] = []): string[] {
  const own = node.writeOnly === true ? [path.join('.')] : []
  const branches = (node.anyOf ?? []).flatMap((branch) => writeOnlyPaths(branch, path))
  const inside = Object.entries(node.properties ?? {}).flatMap(([key, value]) =>
    typeof value === 'object' ? writeOnlyPaths(value, [...path, key]) : [],
  )
  return [...own, ...branches, ...inside]
}

describe('secrets', () => {
  test('are the same settings in the schema and in redact.ts', () => {
    const marked = writeOnlyPaths(z.toJSONSchema(documentSchema, { io: 'input' }))
    expect(marked.toSorted()).toEqual(SECRET_PATHS.map((path) => path.join('.')).toSorted())
  })

  test('are replaced in a redacted configuration, and nothing else is', () => {
    const config = mustLoad(`${head}monitor: { user: pgha, password: ${SECRET} }\nadmin: { token: ${SECRET} }`)
    const redacted = redactConfig(config)
    expect(JSON.stringify(redacted)).not.toContain(SECRET)
    expect(redacted.monitor.password).toBe(REDACTED)
    expect(redacted.admin?.token).toBe(REDACTED)
    expect({
      ...redacted,
      monitor: { ...redacted.monitor, password: SECRET },
      admin: redacted.admin && { ...redacted.admin, token: SECRET },
    }).toEqual(config)
  })

  test('that are not set stay visibly not set', () => {
    const redacted = redactConfig(mustLoad(`${head}monitor: { user: pgha }\nadmin: off`))
    expect(redacted.monitor.password).toBeNull()
    expect(redacted.admin).toBeNull()
  })

  test.each([
    ['with a broken placeholder', `monitor:\n  user: pgha\n  password: ${SECRET}\${`],
    ['too long', `monitor:\n  user: pgha\n  password: ${SECRET}${'x'.repeat(1_100)}`],
    ['as a list', `monitor: { user: pgha, password: [${SECRET}] }`],
    ['as a mapping', `monitor: { user: pgha, password: { x: ${SECRET} } }`],
    ['given twice', `monitor:\n  password: ${SECRET}\n  password: ${SECRET}`],
    ['under a mistyped key', `monitor: { user: pgha, pasword: ${SECRET} }`],
    ['under a mistyped key with a broken placeholder', `monitor:\n  user: pgha\n  pasword: ${SECRET}\${`],
    ['in the wrong section', `monitor: { user: pgha }\nhold: { password: ${SECRET} }`],
    ['without the space after its colon', `monitor:\n  user: pgha\n  password:${SECRET}`],
    ['without the space, in braces', `monitor: { user: pgha, password:${SECRET} }`],
    ['run together with the line above', `monitor:\n  user: pgha\n    password:${SECRET}`],
    ['in a quoted text that is not closed', `monitor:\n  user: pgha\n  password: "${SECRET}`],
    ['that looks like an alias', `monitor:\n  user: pgha\n  password: *${SECRET}`],
    ['that looks like an anchor', `monitor:\n  user: x y z\n  password: &${SECRET} &${SECRET} a`],
    ['that looks like a tag', `monitor:\n  user: pgha\n  password: !${SECRET} x`],
    ['that starts with a reserved character', `monitor:\n  user: pgha\n  password: @${SECRET}`],
    ['that looks like a directive', `%${SECRET}\n---\nmonitor: { user: pgha }`],
    ['in place of the section', `monitor: ${SECRET}`],
    ['in an address', `monitor: { user: pgha }\nadmin: { address: "http://admin:${SECRET}@127.0.0.1:1" }`],
    ['as token beside a file for it', `monitor: { user: pgha }\nadmin: { token: ${SECRET}, token_file: /x }`],
    ['as password beside a file for it', `monitor: { user: pgha, password: ${SECRET}, password_file: /x }`],
    ['from the environment in the wrong place', `monitor: { user: pgha, timeout: "\${SECRET}" }`],
    ['from the environment in an address', `monitor: { user: pgha }\nadmin: { address: "\${SECRET}" }`],
    ['from the environment, near a known value', `monitor: { user: pgha }\nlog: { level: "\${SECRET}" }`],
  ])('%s do not get into a fault', (_rule, tail) => {
    const result = loadConfig({ text: head + tail, environment: { SECRET } })
    if (result.ok) throw new Error('The file has no faults.')
    expect(JSON.stringify(result)).not.toContain(SECRET)
    expect(formatFaults(result.faults, 'ha.yaml')).not.toContain(SECRET)
  })

  test('do not get into a warning', () => {
    const result = loadConfig({ text: `${head}monitor: { user: pgha, password: ${SECRET} }`, environment: {} })
    if (!result.ok) throw new Error(formatFaults(result.faults, 'ha.yaml'))
    expect(result.warnings).toHaveLength(1)
    expect(JSON.stringify(result.warnings)).not.toContain(SECRET)
  })
})
