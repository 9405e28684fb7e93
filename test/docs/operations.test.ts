/**
 * docs/operations: what it says that the program says, measures and knows is what the program says, measures and knows.
 * Somebody reads these pages at 3 a.m. and searches for a word in them.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { ORDERS } from '../../src/admin/order.ts'
import { PATRONI_PATHS } from '../../src/admin/patroni-endpoints.ts'
import { main } from '../../src/cli/main.ts'
import { knownKeys } from '../../src/config/known-keys.ts'
import { CLOSE_REASON_KINDS } from '../../src/session/close-reason.ts'
import { fakeTerminal } from '../cli/fake-terminal.ts'
import { setUpMetrics } from '../observability/metrics-rig.ts'
import { readAlerts } from '../observability/monitoring-setup.ts'
import { mustLoad } from '../support/config-text.ts'
import { readSourceWords, type SourceWords } from './source-words.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'docs', 'operations')
const PAGES = readdirSync(FOLDER).filter((name) => name.endsWith('.md'))

/** Pages of a failure. The others are an index, a list, and two that are for before. */
const FAILURES = PAGES.filter(
  (name) => !['README.md', 'how-sessions-end.md', 'kubernetes-and-patroni.md', 'upgrading.md'].includes(name),
)

const read = (page: string): string => readFileSync(join(FOLDER, page), 'utf8')

/** Text of each code span, and none of what stands in fenced blocks. */
const spansOf = (page: string): readonly string[] => {
  const prose = read(page).replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replaceAll(/\s+/g, ' '))
}

/** The fenced blocks of this kind; `''` for those without one. */
const blocksOf = (page: string, kind: string): readonly string[] =>
  [...read(page).matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)]
    .filter(([, given]) => given === kind)
    .map(([, , block = '']) => block)

const everywhere = (pick: (page: string) => readonly string[]): readonly (readonly [string, string])[] =>
  PAGES.flatMap((page) => pick(page).map((found) => [page, found] as const))

let words: SourceWords

beforeAll(() => {
  words = readSourceWords()
})

describe('the pages', () => {
  it('are all in the index, each once at least', () => {
    const linked = new Set([...read('README.md').matchAll(/\]\(([\w-]+\.md)\)/g)].map((match) => match[1]))

    expect([...linked].sort()).toEqual(PAGES.filter((page) => page !== 'README.md').sort())
  })

  it.each(FAILURES)('%s has the log, the metrics, what clients see and what to do', (page) => {
    const headings = [...read(page).matchAll(/^## (.+)$/gm)].map((match) => match[1])

    expect(headings).toEqual(expect.arrayContaining(['The log', 'The metrics', 'What clients see', 'What to do']))
  })

  it('link to what there is', () => {
    const broken = everywhere((page) =>
      [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link),
    ).filter(([page, link]) => !isThere(page, link))

    expect(broken).toEqual([])
  })
})

describe('a sentence', () => {
  it.each([
    'node1, primary on timeline 1, refuses connexions',
    'node1 is the primary of timeline 1',
    'node2 claims to be primary on timeline 2 without a repmgr row that says so, while node1 stays',
    'node2 claims to be primary on timeline 2 and is accepted by nobody',
  ])('that the program does not say is found out: %s', (sentence) => {
    expect(words.findForeign(sentence)).not.toBeNull()
    expect(words.findForeign(sentence, { quoted: true })).not.toBeNull()
  })
})

describe('a line of the log in the pages', () => {
  const lines = everywhere((page) => blocksOf(page, 'json').flatMap((block) => block.trim().split('\n')))

  it.each(lines)('%s: %s', (_page, line) => {
    const { level, msg, reason, warning, problem, why } = JSON.parse(line) as Record<string, string>

    expect(['info', 'warn', 'error']).toContain(level)
    expect([...words.texts]).toContain(msg)
    const isKind = msg === 'session ended'
    if (isKind) expect(CLOSE_REASON_KINDS).toContain(reason)
    const sentences = [isKind ? undefined : reason, warning, problem, why].filter((text) => text !== undefined)
    expect(sentences.map((sentence) => words.findForeign(sentence))).toEqual(sentences.map(() => null))
  })
})

describe('what the pages quote', () => {
  it('is said by the program, where it is a sentence about a node or the state', () => {
    const sentences = everywhere(spansOf).filter(
      ([, span]) =>
        /^(?:node\d|accepting|waiting for|no node|no standby|the |takes no|file descriptors|is alive|cannot be observed)/.test(
          span,
        ) && span.includes(' '),
    )

    expect(sentences.length).toBeGreaterThan(30)
    expect(sentences.filter(([, sentence]) => words.findForeign(sentence, { quoted: true }) !== null)).toEqual([])
  })

  it('are metrics that the proxy has, and alerts that there are', async () => {
    const rig = setUpMetrics({ node1: 'P1+', node2: 'S1<node1' })
    await rig.clock.advanceSettled(100)
    const metrics = new Set((await rig.scrape()).families.keys())
    const alerts = readAlerts().map(({ alert }) => alert)
    const named = everywhere((page) => read(page).match(/\bpgha_[a-z_]+|\bPgha[A-Z]\w+/g) ?? [])

    expect(named.length).toBeGreaterThan(40)
    expect(named.filter(([, name]) => !metrics.has(name) && !alerts.includes(name) && name !== 'pgha_proxy')).toEqual(
      [],
    )
    // And each alert has its page.
    expect(alerts.filter((alert) => !named.some(([, name]) => name === alert))).toEqual([])
  })

  it('are commands and options that there are', async () => {
    const inShell = (page: string): string[] =>
      ['', 'sh']
        .flatMap((kind) => blocksOf(page, kind))
        .flatMap((block) => block.match(/pgha-proxy [a-z]+ ?[^\n#]*/g) ?? [])
    const commands = everywhere((page) => [
      ...inShell(page),
      ...spansOf(page).filter((span) => /^pgha-proxy [a-z]/.test(span)),
    ])
    const help = new Map<string, string>()
    for (const [, command] of commands) {
      const name = command.split(' ')[1] ?? ''
      if (!help.has(name)) help.set(name, await helpOf(name))
    }

    expect(commands.length).toBeGreaterThan(20)
    const wrong = commands.filter(([, command]) => {
      const text = help.get(command.split(' ')[1] ?? '') ?? ''
      return (
        !text.startsWith(`Usage: ${command.split(' ', 2).join(' ')} `) ||
        (command.match(/--[a-z-]+/g) ?? []).some(
          (option) => !text.includes(`${option} `) && !text.includes(`${option}\n`),
        )
      )
    })
    expect(wrong).toEqual([])
  })

  it('are keys of the configuration that there are', () => {
    const sections = knownKeys([])
    const keys = everywhere(spansOf)
      .map(([page, span]) => [page, /^([a-z_]+)\.([a-z_]+)(?::|$)/.exec(span)] as const)
      .flatMap(([page, match]) =>
        match !== null && sections.includes(match[1] ?? '')
          ? [{ page, section: match[1] ?? '', key: match[2] ?? '' }]
          : [],
      )

    expect(keys.length).toBeGreaterThan(20)
    expect(keys.filter(({ section, key }) => !knownKeys([section]).includes(key))).toEqual([])
  })

  it('are paths of the admin address that there are', () => {
    const known = [...words.texts, ...PATRONI_PATHS, ...ORDERS.map((order) => `/api/${order}`)]
    const paths = everywhere((page) =>
      [...read(page).matchAll(/`(?:(?:GET|POST) )?(\/(?:api\/)?[a-z]+)`/g)].map(([, path = '']) => path),
    )

    expect(paths.length).toBeGreaterThan(10)
    expect(paths.filter(([, path]) => !known.includes(path))).toEqual([])
  })

  it('are all reasons for which a session ends, each in the table of how-sessions-end.md', () => {
    const rows = read('how-sessions-end.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
    const named = rows.flatMap((row) =>
      [...(row.split('|')[1] ?? '').matchAll(/`([a-z-]+)`/g)].map((match) => match[1]),
    )

    expect(named.sort()).toEqual([...CLOSE_REASON_KINDS].sort())
  })
})

describe('the configurations of kubernetes-and-patroni.md', () => {
  it('are taken by the proxy', () => {
    const documents = blocksOf('kubernetes-and-patroni.md', 'yaml').flatMap((block) => parseAllDocuments(block))
    const [own, ...manifest] = documents.map((document) => {
      expect(document.errors).toEqual([])
      return document
    })
    const map = manifest.find((document) => document.get('kind') === 'ConfigMap')
    const environment = { PGHA_MONITOR_PASSWORD: 'a-password' }
    for (const text of [String(own), String(map?.getIn(['data', 'ha.yaml']))]) {
      const config = mustLoad(text, environment)
      expect(config).toMatchObject({ discovery: 'none', monitor: { password: 'a-password', database: 'postgres' } })
      expect(config.nodes).toHaveLength(3)
    }
  })

  it('ask /livez whether the process lives and /health whether it takes sessions, at the port of the admin address', () => {
    const documents = blocksOf('kubernetes-and-patroni.md', 'yaml').flatMap((block) => parseAllDocuments(block))
    const set = documents.find((document) => document.get('kind') === 'StatefulSet')?.toJS()
    const [container] = set.spec.template.spec.containers

    expect(container.livenessProbe.httpGet).toEqual({ path: '/livez', port: 'admin' })
    expect(container.readinessProbe.httpGet).toEqual({ path: '/health', port: 'admin' })
    expect(container.ports).toContainEqual({ name: 'admin', containerPort: 8432 })
    expect(set.spec.volumeClaimTemplates[0].metadata.name).toBe(
      container.volumeMounts.find(({ mountPath }: { mountPath: string }) => mountPath === '/var/lib/pgha-proxy').name,
    )
  })
})

async function helpOf(command: string): Promise<string> {
  const terminal = fakeTerminal()
  await main([command, '--help'], terminal)
  return terminal.stdout()
}

function isThere(page: string, link: string): boolean {
  if (/^https?:/.test(link)) return true
  const [file = '', anchor] = link.split('#')
  const path = file === '' ? join(FOLDER, page) : resolve(dirname(join(FOLDER, page)), file)
  if (!existsSync(path)) return false
  if (anchor === undefined) return true
  const headings = [...readFileSync(path, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(/\s/g, '-'),
  )
  return headings.includes(anchor)
}
