/** Writes `config/ha.schema.json`. Run by `npm run config-schema` after a change of schema.ts; a test fails until then. */
import { writeFile } from 'node:fs/promises'
import { renderJsonSchema } from './json-schema.ts'

await writeFile(new URL('../../config/ha.schema.json', import.meta.url), renderJsonSchema())
