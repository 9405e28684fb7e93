/**
 * docs/benchmarks.md: sections that were measured now replace those of the same name, the others stay, and the table of
 * targets on top is collected from all of them. Pure.
 */
import { TARGET_HEAD } from './render.ts'

const INTRO = `# Benchmarks

What it costs to put pgha-proxy between an application and PostgreSQL, beside what else people put there. Written by
\`npm run bench:docs\`; \`npm run bench -- --write-docs --only NAME\` replaces one section. On loopback with pgbench,
PostgreSQL and the proxy on one machine, throughput says little and CPU of the proxy per transaction most. The contenders
take turns, A B C ..., in every round; every figure is the median of the rounds, with the least and the most behind it. A
ratio compares within one round, and is the median of these. On a virtual machine a round in which the host gave more
than 3 % of the processors' time to others is begun anew, unless there have been as many of those as there are rounds
already.`

const SECTION = /<!-- section (\S+) -->\n([\s\S]*?)\n<!-- end \1 -->/g

/** The page with the new sections. `order`: all names there are; a name that is not among them leaves the page. */
export function updatePage(page: string, sections: ReadonlyMap<string, string>, order: readonly string[]): string {
  const all = new Map([...page.matchAll(SECTION)].map(([, id = '', text = '']) => [id, text]))
  for (const [id, text] of sections) all.set(id, text)
  const present = order.flatMap((id) => {
    const text = all.get(id)
    return text === undefined ? [] : [{ id, text }]
  })
  const targets = present.flatMap(({ text }) => targetRows(text))
  const summary = targets.length === 0 ? [] : [['## Targets', '', ...TARGET_HEAD, ...targets].join('\n')]
  const bodies = present.map(({ id, text }) => `<!-- section ${id} -->\n${text}\n<!-- end ${id} -->`)
  return `${[INTRO, ...summary, ...bodies].join('\n\n')}\n`
}

function targetRows(text: string): readonly string[] {
  const lines = text.split('\n')
  const start = lines.indexOf(TARGET_HEAD[0])
  if (start === -1) return []
  const rows = lines.slice(start + TARGET_HEAD.length)
  const end = rows.findIndex((line) => !line.startsWith('|'))
  return end === -1 ? rows : rows.slice(0, end)
}
