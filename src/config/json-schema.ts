/**
 * The JSON Schema of `ha.yaml`, for completion and checks in editors. Generated from schema.ts. It knows less than the
 * program: bounds of durations, and what is impossible together, are only checked at start.
 */
import { z } from 'zod'
import { documentSchema } from './schema.ts'

/** The text of `config/ha.schema.json`, with a newline at the end. The same every time. */
export function renderJsonSchema(): string {
  const schema = z.toJSONSchema(documentSchema, {
    io: 'input',
    // The dialect that editors' YAML support knows best.
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      // "Default: {}" on every section says nothing and hides the defaults inside of it.
      if (typeof jsonSchema.default === 'object') delete jsonSchema.default
    },
  })
  return `${JSON.stringify(schema, null, 2)}\n`
}
