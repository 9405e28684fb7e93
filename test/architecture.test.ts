/**
 * The rules of the house that a machine can check: which layer may import what, and what no source file may contain.
 * A rule that fails here is a decision to be taken anew, not a line to be added to a list.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const SOURCE = join(import.meta.dirname, '..', 'src')

interface SourceImport {
  /** `net/session.ts` for one of ours, else the specifier: `node:net`, `pg`. */
  readonly target: string
  readonly isOurs: boolean
  readonly isTypeOnly: boolean
}

interface SourceFile {
  /** `net/session.ts` */
  readonly path: string
  /** `net`; the file's own name at the top. */
  readonly layer: string
  readonly text: string
  readonly lineCount: number
  readonly imports: readonly SourceImport[]
}

const IMPORT = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm
const DYNAMIC_IMPORT = /\bimport\(\s*'([^']+)'\s*\)/g

function readImports(text: string, folder: string): SourceImport[] {
  const found = [
    ...[...text.matchAll(IMPORT)].map((match) => ({ specifier: match[2] ?? '', isTypeOnly: match[1] !== undefined })),
    ...[...text.matchAll(DYNAMIC_IMPORT)].map((match) => ({ specifier: match[1] ?? '', isTypeOnly: false })),
  ]
  return found.map(({ specifier, isTypeOnly }) => {
    const isOurs = specifier.startsWith('.')
    return { target: isOurs ? relative(SOURCE, join(folder, specifier)) : specifier, isOurs, isTypeOnly }
  })
}

const FILES: readonly SourceFile[] = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => {
    const text = readFileSync(join(SOURCE, path), 'utf8')
    return {
      path,
      layer: layerOf(path),
      text,
      lineCount: text.trimEnd().split('\n').length,
      imports: readImports(text, dirname(join(SOURCE, path))),
    }
  })

function layerOf(path: string): string {
  return path.split('/', 1)[0] ?? path
}

/** Every import of ours out of these layers, as `from -> to`. */
function arrows(layers: readonly string[], isForbidden: (imported: SourceImport) => boolean): string[] {
  return FILES.filter((file) => layers.includes(file.layer)).flatMap((file) =>
    file.imports.filter(isForbidden).map((imported) => `${file.path} -> ${imported.target}`),
  )
}

/** What each layer may import of ours, itself aside: layers, or single files. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  topology: [],
  session: ['protocol'],
  'ports.ts': ['topology'],
  config: ['ports.ts', 'topology'],
  // One question to the resolver at a time, for dials and probes alike.
  probe: ['ports.ts', 'topology', 'protocol', 'config', 'net/shared-lookup.ts'],
  net: ['ports.ts', 'topology', 'protocol', 'session', 'config'],
  observability: ['ports.ts', 'topology', 'session', 'config', 'probe'],
  // A socket is opened, inherited and removed in one way, for admin and for clients.
  admin: ['ports.ts', 'topology', 'session', 'config', 'probe', 'observability', 'net/listening-socket.ts'],
  // Sessions and the processes that have them. What cannot start says so in the daemon's words.
  workers: [
    'ports.ts',
    'topology',
    'session',
    'config',
    'net',
    'observability',
    'daemon/start-error.ts',
    'daemon/system-clock.ts',
  ],
  daemon: ['ports.ts', 'topology', 'session', 'config', 'probe', 'net', 'observability', 'admin', 'workers'],
  cli: [
    'ports.ts',
    'topology',
    'protocol',
    'session',
    'config',
    'probe',
    'net',
    'observability',
    'admin',
    'daemon',
    'workers',
  ],
}

const PURE = ['protocol', 'topology', 'session']

/** Files above LINES_MAX, each with the reason why it is still one. */
const LINES_MAX = 350
const LONG_FILES: Readonly<Record<string, string>> = {}

describe('the source tree', () => {
  it('is read: there are files in every layer, and their imports are found', () => {
    expect(new Set(FILES.map((file) => file.layer))).toEqual(new Set(Object.keys(ALLOWED)))
    expect(FILES.find((file) => file.path === 'net/session.ts')?.imports).toContainEqual({
      target: 'session/session-state.ts',
      isOurs: true,
      isTypeOnly: false,
    })
  })

  it.each(Object.entries(ALLOWED))('lets %s import only %j of ours', (layer, allowed) => {
    const isForbidden = ({ isOurs, target }: SourceImport): boolean =>
      isOurs && ![layer, ...allowed].some((known) => known === layerOf(target) || known === target)

    expect(arrows([layer], isForbidden)).toEqual([])
  })

  it('has only types of the topology in ports.ts', () => {
    expect(arrows(['ports.ts'], (imported) => !imported.isTypeOnly)).toEqual([])
  })

  it('has only types of the configuration in net and probe, and how it writes addresses', () => {
    const isValueOfConfig = ({ isOurs, isTypeOnly, target }: SourceImport): boolean =>
      isOurs && layerOf(target) === 'config' && !isTypeOnly && target !== 'config/address.ts'

    expect(arrows(['net', 'probe'], isValueOfConfig)).toEqual([])
  })

  it('has pure layers that import nothing from outside', () => {
    expect(arrows(PURE, (imported) => !imported.isOurs)).toEqual([])
  })

  it('has pure layers that know no time, no process and no console', () => {
    const impure =
      /\b(?:set(?:Timeout|Interval|Immediate)|queueMicrotask|process\.|console\.|performance\.|Date\.now|new Date\(|Math\.random|fetch\()/
    const found = FILES.filter((file) => PURE.includes(file.layer) && impure.test(withoutComments(file.text)))

    expect(found.map((file) => file.path)).toEqual([])
  })

  it('imports every file of ours under its name with .ts', () => {
    const paths = new Set(FILES.map((file) => file.path))

    expect(arrows(Object.keys(ALLOWED), ({ isOurs, target }) => isOurs && !paths.has(target))).toEqual([])
  })

  it('has no cycle of imports', () => {
    const cycles: string[] = []
    const done = new Set<string>()
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      if (done.has(path) || trail.includes(path)) return
      const imports = FILES.find((file) => file.path === path)?.imports ?? []
      for (const { isOurs, isTypeOnly, target } of imports) {
        // A type is not there when the program runs: two parts may know each other's shape.
        if (isOurs && !isTypeOnly) visit(target, [...trail, path])
      }
      done.add(path)
    }
    for (const { path } of FILES) visit(path, [])

    expect(cycles).toEqual([])
  })

  it('touches the exit of the process in cli/bin.ts and cli/main.ts only', () => {
    const exits = FILES.filter((file) => /process\.exit(?:Code)?\b/.test(withoutComments(file.text)))

    expect(exits.map((file) => file.path).filter((path) => path !== 'cli/bin.ts' && path !== 'cli/main.ts')).toEqual([])
  })

  it(`has no file of more than ${LINES_MAX} lines, but for those with a reason`, () => {
    const long = FILES.filter((file) => file.lineCount > LINES_MAX).map((file) => file.path)

    expect(long.filter((path) => LONG_FILES[path] === undefined)).toEqual([])
    expect(Object.keys(LONG_FILES).filter((path) => !long.includes(path))).toEqual([])
  })

  it.each(FILES)('begins $path with a header comment', ({ text }) => {
    expect(text.replace(/^#!.*\n/, '')).toMatch(/^\/\*\*[\s\S]{20,}?\*\//)
  })

  it.each<[string, RegExp]>([
    ['TODO or FIXME', /\b(?:TODO|FIXME|XXX|HACK)\b/],
    ['a suppressed type error', /@ts-(?:ignore|expect-error|nocheck)/],
    ['a default export', /^export default/m],
  ])('has no %s', (_, pattern) => {
    const hasIt = FILES.filter(({ text }) => pattern.test(text))

    expect(hasIt.map((file) => file.path)).toEqual([])
  })

  it('has no type any', () => {
    const type = /(?::|\bas|<|\||,)\s*any\b/
    const hasIt = FILES.filter(({ text }) => type.test(withoutTexts(withoutComments(text))))

    expect(hasIt.map((file) => file.path)).toEqual([])
  })

  it('names its files in kebab-case', () => {
    const odd = FILES.filter((file) => !/^(?:[a-z0-9]+(?:-[a-z0-9]+)*\/)*[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(file.path))

    expect(odd.map((file) => file.path)).toEqual([])
  })
})

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function withoutTexts(text: string): string {
  return text.replace(/'[^'\n]*'|`[^`]*`/g, "''")
}
