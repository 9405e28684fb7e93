/** Texts that people write: the configuration, its values, .pgpass, nginx's files, the state file. Fuzz targets. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { importNginxStream } from '../../../src/cli/init/nginx-stream.ts'
import { parseNginx } from '../../../src/cli/init/nginx-tokens.ts'
import { renderConfig } from '../../../src/cli/init/render-config.ts'
import {
  formatListenerAddress,
  formatNodeAddress,
  readAdminAddress,
  readHostName,
  readListenerAddress,
  readNodeAddress,
} from '../../../src/config/address.ts'
import { formatDuration, readDuration } from '../../../src/config/duration.ts'
import { formatFaults } from '../../../src/config/fault.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { findPgpassPassword } from '../../../src/config/pgpass.ts'
import type { Reading } from '../../../src/config/reading.ts'
import { redactConfig } from '../../../src/config/redact.ts'
import { formatSize, readSize } from '../../../src/config/size.ts'
import { substitute } from '../../../src/config/substitute.ts'
import { StateFile } from '../../../src/daemon/state-file.ts'
import { formatLsn, parseLsn } from '../../../src/topology/lsn.ts'
import { MINIMAL } from '../../support/config-text.ts'
import { ensure, type FuzzTarget } from '../target.ts'

const SECRET = 'Zq7secretZq7'
const FULL = `listeners:
  - { address: "0.0.0.0:5432", route: primary, tls: { mode: passthrough } }
  - { address: "unix:/run/x", route: standby, max_lag: 16MiB, fallback: primary, balance: round-robin }
nodes:
  - { name: node1, address: pg-0 }
  - { name: node2, address: "[::1]:5433" }
monitor: { user: pgha, database: repmgr, interval: 1s, timeout: 900ms }
hold: { timeout: 30s, max_sessions: 5000 }
limits: { max_sessions: 100 }
`
const YAML_WORDS = [
  ...['listeners', 'nodes', 'monitor', 'hold', 'limits', 'admin', 'log', 'keepalive', 'tls', 'address', 'name', '<<'],
  ...[
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
    '!',
    '&a ',
    '*a',
  ],
  ...[
    `\${A}`,
    `\${A:-b}`,
    '${',
    '$${',
    '__proto__',
    '\uFEFF',
    '\r\n',
    '2s',
    '250ms',
    '16MiB',
    '127.0.0.1:5432',
    '0x10',
  ],
]

const configFile: FuzzTarget = {
  name: 'config-file',
  oracle:
    'never throws; faults in file order on lines that exist; a password is in no fault and in no redacted configuration',
  covers: ['src/config/'],
  inputBytesMax: 4096,
  seeds: [
    MINIMAL,
    FULL,
    `${FULL}admin: { address: "127.0.0.1:8432" }\n`,
    FULL.replace('user: pgha', `user: pgha, password: ${SECRET}`),
  ],
  dictionary: [...YAML_WORDS, `password: ${SECRET}`],
  batchMax: 16,
  run: (input) => {
    const result = loadConfig({ text: input, environment: { A: 'a' } })
    const text = input.toString('utf8')
    const faults = result.ok ? result.warnings : result.faults
    ensure(result.ok || faults.length > 0, 'what is refused has a fault')
    const lines = faults.map(({ line }) => line ?? 0)
    ensure(
      lines.every((line, index) => line >= (lines[index - 1] ?? 0)),
      'faults come in file order',
    )
    ensure(Math.max(0, ...lines) <= text.split('\n').length, 'faults are on lines that exist')
    // Where a password stands as a password, alone on its key: elsewhere it is somebody's host name.
    const places = text.split(SECRET).length - 1
    const asPassword = text.match(new RegExp(`password: ${SECRET}(?=[\\s,}]|$)`, 'g'))?.length ?? 0
    if (places === 0 || places !== asPassword) return
    ensure(!formatFaults(faults, 'ha.yaml').includes(SECRET), 'no fault shows the password')
    if (result.ok)
      ensure(!JSON.stringify(redactConfig(result.config)).includes(SECRET), 'nor does the redacted configuration')
  },
}

/** What can be read can be printed, and reads back as the same. */
function ensureRoundTrip<T>(
  text: string,
  read: (text: string) => Reading<T>,
  print: (value: T) => string,
  what: string,
): void {
  const reading = read(text)
  if (!reading.ok) return
  const again = read(print(reading.value))
  ensure(again.ok && isDeepStrictEqual(again.value, reading.value), `${what} reads back as the same`)
}

const configValues: FuzzTarget = {
  name: 'config-values',
  oracle:
    'durations, sizes, addresses, positions: total, and what can be read is printed so that it reads back the same',
  covers: [
    'src/config/duration.ts',
    'src/config/size.ts',
    'src/config/address.ts',
    'src/config/substitute.ts',
    'src/config/pgpass.ts',
    'src/topology/lsn.ts',
  ],
  inputBytesMax: 512,
  seeds: [
    '1.5s',
    '250ms',
    '16MiB',
    '[::1]:5432',
    'unix:/run/x',
    'fd:pg',
    '/run/postgresql:5433',
    'pg-0.x.',
    '0/5000060',
    `a\${A:-b}$\${`,
    'h:5432:*:u:p\\:w',
  ],
  dictionary: [
    'ms',
    's',
    'h',
    'MiB',
    'GB',
    ':',
    '[',
    ']',
    '::',
    '%',
    '/',
    'unix:',
    'fd:',
    '*',
    '\\',
    '${',
    '}',
    ':-',
    '$${',
    '.',
    '0',
    '65536',
    '99999',
  ],
  run: (input) => {
    const text = input.toString('utf8')
    ensureRoundTrip(text, readDuration, formatDuration, 'a duration')
    ensureRoundTrip(text, readSize, formatSize, 'a size')
    ensureRoundTrip(text, readNodeAddress, formatNodeAddress, "a node's address")
    ensureRoundTrip(text, readAdminAddress, formatListenerAddress, "the admin server's address")
    ensureRoundTrip(text, readListenerAddress, formatListenerAddress, "a listener's address")
    ensureRoundTrip(text, readHostName, (name) => name, 'a host name')
    const lsn = parseLsn(text)
    if (lsn !== null) ensure(parseLsn(formatLsn(lsn)) === lsn, 'a position reads back as the same')
    const substituted = substitute(text, { A: 'a' })
    if (!text.includes('${'))
      ensure(substituted.ok && substituted.text === text, 'without placeholders nothing changes')
    const password = findPgpassPassword(text, { host: 'h', port: 5432, database: 'd', user: 'u' })
    ensure(password !== '', 'an empty password is none')
  },
}

const NGINX = `stream {
  upstream pg { least_conn; server 10.0.0.1:5432 max_fails=1; server pg-1.example:5432 backup; }
  server { listen 5432 so_keepalive=on; listen [::]:5432; proxy_pass pg; proxy_timeout 1h; # why
  }
}
`

const nginx: FuzzTarget = {
  name: 'nginx',
  oracle: 'total and fast; lines exist; what is imported renders to a configuration that loads',
  covers: ['src/cli/init/'],
  inputBytesMax: 8192,
  seeds: [
    NGINX,
    'upstream a { server unix:/run/.s.PGSQL.5432; }',
    'http { } events { }',
    `server { proxy_pass \${x}; listen 1-2 udp; }`,
  ],
  dictionary: [
    'stream {',
    'upstream ',
    'server ',
    'listen ',
    'proxy_pass ',
    'backup',
    'down',
    ';',
    '{',
    '}',
    '"',
    "'",
    '\\',
    '#',
    '${',
    '$',
    'unix:',
    '\n',
    'include x;',
    '127.0.0.1:5432',
    'ssl',
    'proxy_protocol',
    'constructor',
    '__proto__',
  ],
  batchMax: 32,
  run: (input) => {
    const text = input.toString('utf8')
    const tree = parseNginx(text)
    const lineCount = text.split('\n').length
    if (!tree.ok) ensure(tree.line >= 1 && tree.line <= lineCount, 'a problem is on a line that exists')
    const imported = importNginxStream(text)
    if (!imported.ok) {
      ensure(imported.problem.length > 0, 'what is refused has a reason')
      return
    }
    const rendered = renderConfig({
      listeners: imported.listeners,
      nodes: imported.nodes,
      monitorUser: 'pgha',
      database: 'repmgr',
      notes: imported.notes,
    })
    const loaded = loadConfig({ text: rendered, environment: {} })
    const why = loaded.ok ? '' : (loaded.faults[0]?.problem ?? '')
    ensure(loaded.ok, `what is imported loads: ${why}`)
    ensure(loaded.config.nodes.length === imported.nodes.length, 'all nodes come through')
  },
}

const STATE =
  '{"version":1,"epoch":{"systemIdentifier":"7311111111111111111","timelineId":3,"node":"node2","at":"2026-01-01T00:00:00.000Z"},"fenced":["node1"]}'

let stateFolder: string | null = null

const stateFile: FuzzTarget = {
  name: 'state-file',
  oracle:
    'never rejects; an epoch that is believed has a timeline of 32 bits, an identifier and a node; what is saved reads back',
  covers: ['src/daemon/state-file.ts'],
  inputBytesMax: 512,
  seeds: [STATE, '{"version":1,"epoch":null,"fenced":[]}'],
  dictionary: [
    'null',
    '"epoch":',
    '"fenced":',
    '"version":2',
    '-1',
    '1e9',
    '4294967296',
    '"__proto__":',
    '\\u0000',
    '[]',
    '{}',
    ',',
  ],
  batchMax: 16,
  run: async (input) => {
    stateFolder ??= mkdtempSync(join(tmpdir(), 'pgha-fuzz-state-'))
    const file = new StateFile(stateFolder)
    writeFileSync(file.path, input)
    const loaded = await file.load()
    ensure(loaded.kind !== 'absent', 'a file that is there is not absent')
    if (loaded.kind !== 'loaded') return
    const { epoch, fenced } = loaded.state
    if (epoch !== null) {
      const { timelineId, systemIdentifier, node } = epoch
      ensure(Number.isInteger(timelineId) && timelineId >= 1 && timelineId <= 0xffff_ffff, 'a timeline has 32 bits')
      ensure(/^\d{1,20}$/.test(systemIdentifier) && node !== '', 'an epoch has an identifier and a node')
    }
    ensure(
      fenced.every((name) => typeof name === 'string'),
      'fences are names',
    )
    await file.save(loaded.state)
    ensure(isDeepStrictEqual(await file.load(), loaded), 'what is saved reads back the same')
  },
  close: async () => {
    if (stateFolder !== null) rmSync(stateFolder, { recursive: true, force: true })
    stateFolder = null
  },
}

export const TEXT_TARGETS = [configFile, configValues, nginx, stateFile]
