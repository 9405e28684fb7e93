/**
 * The clients that are driven, how their programs are run, and whether this machine can. Test support.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { findBinaries, findTool } from '../support/postgres-binaries.ts'

/** One client and its program. */
export interface DrivenClient {
  readonly name: string
  /** The program with its arguments, but for the mode. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** `true`, or what is missing. */
  readonly available: true | string
  /** Names of steps that it has no means for. */
  readonly notOffered: readonly string[]
  /** How it comes to a new connection, for the table. */
  readonly reconnects: string
}

const system = findBinaries('system')
const psql = 'missing' in system ? null : findTool(system, 'psql')
/** Debian's modules belong to Debian's interpreters, and another one may come first in PATH. */
const DEBIAN = '/usr/bin'
const JDBC_JAR = '/usr/share/java/postgresql.jar'

/** In the order of the table. */
export const DRIVEN_CLIENTS: readonly DrivenClient[] = [
  {
    name: 'psql',
    command: ['sh', program('psql.sh')],
    env: { PSQL: psql ?? '' },
    available: psql === null ? 'there is no psql' : runs('script', ['--version']),
    notOffered: ['pipeline'],
    reconnects: 'by itself at a terminal; in a script it ends with exit code 2',
  },
  {
    name: 'pg',
    command: [process.execPath, program('node-pg.ts')],
    env: {},
    available: true,
    notOffered: ['copyIn', 'copyOut', 'largeObject'],
    reconnects: '`Pool`, with a listener for `error`',
  },
  {
    name: 'Postgres.js',
    command: [process.execPath, program('postgres-js.ts')],
    env: {},
    available: true,
    notOffered: [],
    reconnects: 'by itself',
  },
  {
    name: 'psycopg2',
    command: [`${DEBIAN}/python3`, program('psycopg-2.py')],
    env: {},
    available: runs(`${DEBIAN}/python3`, ['-c', 'import psycopg2']),
    notOffered: ['pipeline'],
    reconnects: '`connect` again when `closed`',
  },
  {
    name: 'psycopg 3',
    command: [`${DEBIAN}/python3`, program('psycopg-3.py')],
    env: {},
    available: runs(`${DEBIAN}/python3`, ['-c', 'import psycopg']),
    notOffered: ['largeObject'],
    reconnects: '`connect` again when `closed`, or `psycopg_pool`',
  },
  {
    name: 'PHP PDO',
    command: [`${DEBIAN}/php`, program('php-pdo.php')],
    env: {},
    available: runs(`${DEBIAN}/php`, ['-r', "exit(extension_loaded('pdo_pgsql') ? 0 : 1);"]),
    notOffered: ['cancel', 'pipeline'],
    reconnects: 'a new `PDO`; Laravel and Doctrine do it by the words of the error',
  },
  {
    name: 'pgjdbc',
    command: ['java', '-XX:TieredStopAtLevel=1', '-cp', JDBC_JAR, program('pgjdbc.java')],
    env: {},
    available: runs('javac', ['-cp', JDBC_JAR, '--version'], JDBC_JAR),
    notOffered: [],
    reconnects: '`getConnection` again when `isClosed`, or HikariCP',
  },
  {
    name: 'ruby-pg',
    command: [`${DEBIAN}/ruby`, program('ruby-pg.rb')],
    env: {},
    available: runs(`${DEBIAN}/ruby`, ['-rpg', '-e', '']),
    notOffered: [],
    reconnects: '`reset` when `status` is not `CONNECTION_OK`',
  },
  {
    name: 'DBD::Pg',
    command: [`${DEBIAN}/perl`, program('dbd-pg.pl')],
    env: {},
    available: runs(`${DEBIAN}/perl`, ['-MDBD::Pg', '-MJSON::PP', '-e', '1']),
    notOffered: ['pipeline'],
    reconnects: '`connect` again when `ping` fails, or `connect_cached`',
  },
]

function program(name: string): string {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url))
}

/** Runs it, which tells more than a look for files; `file` must be there as well. */
function runs(command: string, args: readonly string[], file?: string): true | string {
  try {
    if (file !== undefined) execFileSync('test', ['-e', file])
    execFileSync(command, args, { stdio: 'pipe', timeout: 20_000 })
    return true
  } catch {
    return `${[command, ...args].join(' ')} does not run${file === undefined ? '' : `, or there is no ${file}`}`
  }
}
