/** The names of our metrics: Prometheus's conventions, labels of few values, and a row in docs/metrics.md for each. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Exposition, Family } from './exposition.ts'
import { setUpMetrics } from './metrics-rig.ts'

const DOCS = join(import.meta.dirname, '..', '..', 'docs', 'metrics.md')

/** Values of each are known beforehand, or are names in the configuration. `le` is the histograms' own. */
const LABELS = [
  'class',
  'direction',
  'event',
  'listener',
  'node',
  'outcome',
  'reason',
  'result',
  'role',
  'state',
  'version',
  'worker',
]

/** What is neither a time nor a size has no unit: counts, states, timelines. */
const BASE_UNITS = /_(?:seconds|bytes)(?:_total)?$/
const OTHER_UNITS =
  /(?:^|_)(?:ms|millis|milliseconds|micros|minutes?|hours?|days?|kib|mib|kilobytes|megabytes|bits|percent)(?:_|$)/
const TIME_WORDS = /(?:duration|age|wait|timestamp|first_session)/

let page: Exposition
let families: readonly (readonly [string, Family])[]

beforeAll(async () => {
  const rig = setUpMetrics({ node1: 'P1+', node2: 'S1<node1' })
  await rig.clock.advanceSettled(100)
  page = await rig.scrape()
  families = [...page.families]
})

function labelsOf({ samples }: Family): string[] {
  const names = samples.flatMap(({ labels }) => Object.keys(labels)).filter((name) => name !== 'le')
  return [...new Set(names)].sort()
}

describe('our metrics', () => {
  it('are more than a handful, each with series while all is well', () => {
    expect(families.length).toBeGreaterThan(30)
    expect(families.filter(([, { samples }]) => samples.length === 0).map(([name]) => name)).toEqual([])
  })

  it('all have our prefix, in small letters', () => {
    expect(families.map(([name]) => name).filter((name) => !/^pgha(?:_[a-z]+)+$/.test(name))).toEqual([])
  })

  it('all have a help text of one sentence', () => {
    const odd = families.filter(([, { help }]) => !/^[A-Z0-9].*[^.]\.$/.test(help) || help.length > 110)

    expect(odd.map(([name, { help }]) => `${name}: ${help}`)).toEqual([])
  })

  it('end with _total when they are counters, and only then; with _info when they are one for ever, and only then', () => {
    const odd = families.filter(([name, { type }]) => name.endsWith('_total') !== (type === 'counter'))
    const infos = families.filter(([name]) => name.endsWith('_info'))

    expect(odd.map(([name]) => name)).toEqual([])
    expect(infos.map(([name, { type, samples }]) => [name, type, samples.map(({ value }) => value)])).toEqual([
      ['pgha_build_info', 'gauge', [1]],
      ['pgha_primary_info', 'gauge', [1]],
    ])
  })

  it('do not end as the series of a histogram do', () => {
    expect(families.filter(([name]) => /_(?:count|sum|bucket)$/.test(name)).map(([name]) => name)).toEqual([])
  })

  it('have base units at the end, and no others', () => {
    const odd = families.filter(
      ([name, { type }]) =>
        OTHER_UNITS.test(name) || ((type === 'histogram' || TIME_WORDS.test(name)) && !BASE_UNITS.test(name)),
    )

    expect(odd.map(([name]) => name)).toEqual([])
  })

  it('have labels of few values only', () => {
    expect(new Set(families.flatMap(([, family]) => labelsOf(family)))).toEqual(new Set(LABELS))
  })

  it('each have their row in docs/metrics.md, with type and labels', () => {
    const rows = [
      ...readFileSync(DOCS, 'utf8').matchAll(/^\| `(pgha_\w+)` \| (\w+) \| (.*?) ?\| (.+?) \| (.*?) ?\|$/gm),
    ]
    const documented = rows.map(([, name, type, labels = '']) => {
      const names = [...labels.matchAll(/`(\w+)`/g)].map((match) => match[1])
      return `${name} ${type} ${names.sort().join(',')}`
    })
    const actual = families.map(([name, family]) => `${name} ${family.type} ${labelsOf(family).join(',')}`)

    expect(documented.sort()).toEqual(actual.sort())
  })

  it('have no label value in docs/metrics.md that does not exist, and all that do', () => {
    const text = readFileSync(DOCS, 'utf8')
    const closed = ['class', 'direction', 'event', 'outcome', 'result', 'role', 'state']
    const values = families.flatMap(([name, { samples }]) =>
      samples.flatMap(({ labels }) =>
        Object.entries(labels).flatMap(([label, value]) => (closed.includes(label) ? [[name, value] as const] : [])),
      ),
    )
    const rowOf = (name: string): string => text.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? ''

    expect(values.filter(([name, value]) => !rowOf(name).includes(`\`${value}\``))).toEqual([])
  })
})
