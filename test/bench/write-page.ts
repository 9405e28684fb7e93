/** Writes sections into docs/benchmarks.md. Benchmark support. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { updatePage } from './report/docs-page.ts'
import { WORKLOADS } from './workloads/all.ts'

const PAGE = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url))

/** From top to bottom: all workloads, the failovers, and what they ran on. */
const SECTION_ORDER: readonly string[] = [...WORKLOADS.map(({ id }) => id), 'failover', 'setup']

/** Text by section; the others stay as they are. */
export function writePage(sections: ReadonlyMap<string, string>): void {
  const page = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : ''
  writeFileSync(PAGE, updatePage(page, sections, SECTION_ORDER))
}
