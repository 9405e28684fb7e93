import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { documentSchema } from '../../src/config/schema.ts'
import { formatFaultsOf, MINIMAL, mustLoad } from '../support/config-text.ts'

const KEYS = [
  ...Object.keys(documentSchema.shape),
  'address',
  'route',
  'tls',
  'mode',
  'name',
  'user',
  'timeout',
  '<<',
  '__proto__',
  'x',
]
const SCALARS = [
  '1',
  '2s',
  'primary',
  'off',
  '',
  'x:1',
  '127.0.0.1:5432',
  `\${A}`,
  '${',
  '*a',
  '&a x',
  '!t x',
  '\u0000',
  'ä',
]

const tree = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(...SCALARS),
    fc.string(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 5 }),
  ),
})).value

/** Text made of pieces that mean something to YAML. */
const scraps = fc
  .array(
    fc.constantFrom(
      ...KEYS,
      ...SCALARS,
      ': ',
      '- ',
      '\n',
      '  ',
      '\t',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '|',
      '>',
      '#',
      '---',
      '? ',
      ',',
      '%',
      '@',
    ),
  )
  .map((pieces) => pieces.join(''))

describe('loadConfig', () => {
  test('never throws on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (text) => {
        expect(loadConfig({ text, environment: {} }).ok).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  test('never throws on scraps of YAML', () => {
    fc.assert(
      fc.property(scraps, (text) => {
        expect(loadConfig({ text, environment: { A: 'a' } }).ok).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })

  test('never throws on YAML of any shape, and gives faults in file order with lines of the file', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...KEYS), tree), (value) => {
        const text = stringify(value)
        const result = loadConfig({ text, environment: {} })
        if (result.ok) throw new Error(`Not to be accepted: ${text}`)
        const lines = result.faults.map(({ line }) => line ?? 0)
        expect(lines).toEqual(lines.toSorted((a, b) => a - b))
        expect(Math.max(...lines)).toBeLessThanOrEqual(text.split('\n').length)
        expect(result.faults.length).toBeGreaterThan(0)
      }),
      { numRuns: 500 },
    )
  })

  test('gives syntax faults in file order, also where a tag before them is unknown', () => {
    const result = loadConfig({ text: '!a {\n', environment: {} })
    if (result.ok) throw new Error('not to be accepted')
    expect(result.faults.map(({ line }) => line)).toEqual([1, 2])
  })

  test('reads a file with a byte order mark and Windows line ends', () => {
    const text = new TextEncoder().encode(`\uFEFF${MINIMAL.replaceAll('\n', '\r\n')}\r\n`)
    expect(loadConfig({ text, environment: {} })).toEqual({ ok: true, config: mustLoad(MINIMAL), warnings: [] })
  })

  test('does not take keys of Object.prototype for settings or variables', () => {
    expect(formatFaultsOf(`${MINIMAL}\n__proto__: { workers: 2 }\nconstructor: 1`).split('\n')).toEqual([
      'ha.yaml:4: __proto__: unknown key',
      'ha.yaml:5: constructor: unknown key',
    ])
    expect(formatFaultsOf(`${MINIMAL}\nstate_dir: \${toString}`)).toContain('environment variable toString is not set')
  })

  const alias = (letter: number) => String.fromCharCode(97 + letter)
  const bomb = (line: (name: string, below: string) => string) =>
    Array.from({ length: 12 }, (_, at) =>
      line(
        alias(at + 1),
        Array(9)
          .fill(`*${alias(at)}`)
          .join(', '),
      ),
    ).join('\n')

  test.each([
    ['bytes that are no UTF-8', new Uint8Array([0x61, 0xff]), 'no UTF-8'],
    ['UTF-16', new Uint8Array([0xff, 0xfe, 0x61, 0x00]), 'no UTF-8'],
    ['more than 1 MiB', `# ${'x'.repeat(1_048_576)}`, 'too large'],
    ['more than 1 MiB of bytes', new Uint8Array(1_048_577).fill(0x23), 'too large'],
    ['an alias bomb', `a: &a [x, x]\n${bomb((name, below) => `${name}: &${name} [${below}]`)}`, 'too many values'],
    [
      'a merge bomb',
      `a: &a { x: x }\n${bomb((name, below) => `${name}: &${name}\n  <<: [${below}]`)}`,
      'too many values',
    ],
    [
      'a wide merge bomb',
      `a: &a { x: x }\nb: &b { <<: [${Array(15_000).fill('*a')}] }\nc: { <<: [${Array(15_000).fill('*b')}] }`,
      'too many values',
    ],
    ['an alias of itself', 'hold: &a { timeout: *a }', 'alias (*) of something that contains it'],
    ['a merge of itself', 'hold: &a { <<: *a }', 'or contains this one'],
    ['brackets thousands deep', '['.repeat(20_000), 'YAML'],
    ['lists nested deep', `a: ${'['.repeat(200)}${']'.repeat(200)}`, 'nested too deep'],
    ['a YAML tag', 'hold: !!binary aGk=', 'YAML tags (!) are not used here'],
    ['a key that is a list', '? [a]\n: b', 'a key must be plain text'],
  ])('refuses %s with a clear fault', (_rule, text, words) => {
    expect(formatFaultsOf(text)).toContain(words)
  })

  test('answers soon on a long file of unknown keys', () => {
    const text = Array.from({ length: 15_000 }, (_, at) => `k${at}: x\n`).join('')
    const before = performance.now()
    expect(loadConfig({ text, environment: {} }).ok).toBe(false)
    // The YAML library's own check for double keys takes minutes here.
    expect(performance.now() - before).toBeLessThan(5_000)
  })
})
