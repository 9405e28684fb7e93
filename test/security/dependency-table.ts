/**
 * The table of docs/dependencies.md: what people know of each dependency that ships, beside what the lockfile says. Test
 * support; pure. `npm run audit` asks the registry for signatures and attestations; what is here of publishing is what
 * the repository of a dependency shows, and no proof of how one version was made.
 */
import { broughtAlong, type Lockfile, type Manifest } from './lockfile.ts'

interface Known {
  readonly keeper: string
  readonly repository: string
  readonly why: string
  /** How a version gets to the registry, as far as its repository shows. */
  readonly publishing: string
}

const BY_HAND = 'no workflow for it in the repository'

const KNOWN: Readonly<Record<string, Known>> = {
  commander: {
    keeper: 'tj/commander.js: John Gee and others',
    repository: 'github.com/tj/commander.js',
    why: 'options and help of every command',
    publishing: BY_HAND,
  },
  pg: {
    keeper: 'Brian Carlson',
    repository: 'github.com/brianc/node-postgres',
    why: 'the monitoring sessions; never in the way of a client',
    publishing: 'workflow with provenance',
  },
  pino: {
    keeper: 'Matteo Collina and others',
    repository: 'github.com/pinojs/pino',
    why: 'the log',
    publishing: 'workflow with a token of the moment (OIDC), which gives provenance',
  },
  'pino-pretty': {
    keeper: 'James Sumners and others',
    repository: 'github.com/pinojs/pino-pretty',
    why: 'the log on a terminal; loaded only there',
    publishing: BY_HAND,
  },
  'prom-client': {
    keeper: 'Simon Nyberg and others',
    repository: 'github.com/siimon/prom-client',
    why: 'the metrics',
    publishing: BY_HAND,
  },
  yaml: {
    keeper: 'Eemeli Aro',
    repository: 'github.com/eemeli/yaml',
    why: 'the configuration, with line numbers',
    publishing: `${BY_HAND} (one for JSR)`,
  },
  zod: {
    keeper: 'Colin McDonnell',
    repository: 'github.com/colinhacks/zod',
    why: 'checks what comes from outside: configuration, answers of nodes, state files',
    publishing: 'workflow with provenance',
  },
}

const START = '<!-- table: by UPDATE_DOCS=1 npx vitest run --project pure test/security -->'
const END = '<!-- end of table -->'

/** The document with the table brought up to date. Throws for a dependency that nobody has written a line about. */
export function writeDependencies(document: string, manifest: Manifest, lockfile: Lockfile): string {
  const [before, rest = ''] = document.split(START, 2)
  const [, after] = rest.split(END, 2)
  if (after === undefined) throw new Error('the document has no place for the table')
  const names = Object.keys(manifest.dependencies)
  const forgotten = names.filter((name) => !Object.hasOwn(KNOWN, name))
  const gone = Object.keys(KNOWN).filter((name) => !names.includes(name))
  if (forgotten.length > 0) throw new Error(`say who keeps ${forgotten.join(', ')}, and why it is there`)
  if (gone.length > 0) throw new Error(`${gone.join(', ')} is no dependency any more`)
  return [before, START, '\n\n', ...tableOf(names, lockfile), '\n', ...summaryOf(lockfile), '\n', END, after].join('')
}

function tableOf(names: readonly string[], lockfile: Lockfile): string[] {
  const rows = names.map((name) => {
    const locked = lockfile.packages.find(({ path }) => path === `node_modules/${name}`)
    const { keeper, repository, why, publishing } = KNOWN[name] as Known
    const cells = [
      `\`${name}\``,
      locked?.version ?? '',
      locked?.license ?? '',
      String(broughtAlong(name, lockfile).size),
      why,
      `${keeper}; ${repository}`,
      publishing,
    ]
    return `| ${cells.join(' | ')} |\n`
  })
  return [
    '| package | version | licence | brings | for | kept by | published by |\n',
    '|---|---|---|---|---|---|---|\n',
    ...rows,
  ]
}

function summaryOf(lockfile: Lockfile): string[] {
  const shipped = lockfile.packages.filter(({ ships }) => ships)
  const counts = new Map<string, number>()
  for (const { license = 'none' } of shipped) counts.set(license, (counts.get(license) ?? 0) + 1)
  const licences = [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([name, count]) => `${count} ${name}`)
  const names = shipped.map(({ name, version }) => `${name} ${version}`).sort()
  const scripts = shipped.filter(({ hasInstallScript }) => hasInstallScript).length
  return [
    `${shipped.length} packages ship: ${licences.join(', ')}. ${scripts} of them run a script when they are installed.\n\n`,
    `${names.join(', ')}.\n`,
  ]
}
