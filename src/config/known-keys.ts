/**
 * Which keys a section of the config has: read off the JSON Schema, so that it cannot differ from the schema. For
 * "did you mean ..." only.
 */
import { z } from 'zod'
import type { Path } from './fault.ts'
import { nearestWord } from './nearest.ts'
import { documentSchema } from './schema.ts'

type SchemaNode = z.core.JSONSchema.BaseSchema

let root: SchemaNode | null = null

function schemaRoot(): SchemaNode {
  root ??= z.toJSONSchema(documentSchema, { io: 'input' })
  return root
}

function propertiesOf(node: SchemaNode | undefined): Record<string, SchemaNode> {
  const holder = node?.properties === undefined ? node?.anyOf?.find((branch) => branch.properties !== undefined) : node
  return (holder?.properties ?? {}) as Record<string, SchemaNode>
}

/** The keys that the section at `path` may have; none where there is no such section. */
export function knownKeys(path: Path): readonly string[] {
  let node: SchemaNode | undefined = schemaRoot()
  for (const segment of path) {
    node = typeof segment === 'number' ? (node?.items as SchemaNode | undefined) : propertiesOf(node)[segment]
  }
  return Object.keys(propertiesOf(node))
}

/** What an unknown key of the section at `path` is probably meant to be; with its section when it stands in the wrong one. */
export function suggestKey(path: Path, key: string): string | null {
  const near = nearestWord(key, knownKeys(path))
  if (near !== null) return near
  for (const sectionName of knownKeys([])) {
    if (knownKeys([sectionName]).includes(key)) return `${sectionName}.${key}`
  }
  return knownKeys([]).includes(key) ? key : null
}
