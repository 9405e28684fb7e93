/**
 * The table of docs/tls.md: which client gets through which listener. Its rows and columns, the words for what psql
 * says, and how it is written down. Test support; tls-table.pg.test.ts fills it in.
 */
import type { ListenerSketch, StageFiles } from './tls-stage.ts'

/** One way to set up a listener, in front of servers with TLS. */
export interface Column {
  readonly title: string
  /** Several that must give the same: then it is one column. */
  readonly listeners: Readonly<Record<string, ListenerSketch>>
}

const own = (serverSslmode: string, more: (files: StageFiles) => object = () => ({})): ListenerSketch => {
  return (files) => ({ mode: 'terminate', ...files.own, server_sslmode: serverSslmode, ...more(files) })
}
const trust = ({ ca }: StageFiles) => ({ server_sslrootcert: ca })

export const COLUMNS: readonly Column[] = [
  { title: 'passthrough', listeners: { passthrough: () => ({ mode: 'passthrough' }) } },
  { title: 'off', listeners: { off: () => ({ mode: 'off' }) } },
  { title: 'terminate, disable', listeners: { disable: own('disable') } },
  { title: 'the same, require: true', listeners: { 'disable-required': own('disable', () => ({ require: true })) } },
  {
    title: 'terminate, prefer to verify-full, own certificate',
    listeners: {
      prefer: own('prefer'),
      require: own('require'),
      'verify-ca': own('verify-ca', trust),
      'verify-full': own('verify-full', trust),
    },
  },
  {
    title: 'the same, the servers’ certificate',
    listeners: {
      'same-prefer': (files) => ({ mode: 'terminate', ...files.same, server_sslmode: 'prefer' }),
      'same-verify-full': (files) => ({
        mode: 'terminate',
        ...files.same,
        server_sslmode: 'verify-full',
        server_sslrootcert: files.ca,
      }),
    },
  },
]

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export const CHANNEL_BINDINGS = ['disable', 'prefer', 'require'] as const

/** How the client proves who it is. */
export const METHODS = ['SCRAM', 'client certificate'] as const
export type Method = (typeof METHODS)[number]

/** What psql said when it did not get in, as a word of the table. The first match counts. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/channel binding is required, but/, 'no binding'],
  [/channel binding required, but/, 'no binding'],
  [/channel binding check failed/, 'other certificate'],
  [/channel binding negotiation/, 'negotiation'],
  [/server does not support SSL, but SSL was required/, 'no TLS'],
  [/encryption is required/, 'TLS wanted'],
  [/pg_hba\.conf rejects connection|connection requires a valid client certificate/, 'no certificate'],
]

/** psql's `\\conninfo`, up to version 17 and since. */
const ENCRYPTED = /SSL connection \(|SSL Connection\s*\|\s*true/

/** `yes` within TLS, `plain` without, or why not at all. Throws for what has no word: then the table has to learn one. */
export function wordFor(result: {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}): string {
  if (result.code === 0) return ENCRYPTED.test(result.stdout) ? 'yes' : 'plain'
  const word = WORDS.find(([pattern]) => pattern.test(result.stderr))?.[1]
  if (word === undefined) throw new Error(`psql ended with ${result.code}: ${result.stderr}`)
  return word
}

export type Cell = { readonly method: Method; readonly sslmode: string; readonly binding: string }

export const ROWS: readonly Cell[] = METHODS.flatMap((method) =>
  CHANNEL_BINDINGS.flatMap((binding) => SSL_MODES.map((sslmode) => ({ method, binding, sslmode }))),
)

const MARK = /(<!-- table: .* -->\n)[\s\S]*?(<!-- end of table -->)/

/** The document with the table in it; `words` by column title, in the order of ROWS. */
export function writeTable(document: string, words: ReadonlyMap<string, readonly string[]>): string {
  if (!MARK.test(document)) throw new Error('the document has no place for the table')
  return document.replace(MARK, (_, begin: string, end: string) => `${begin}${renderTable(words)}${end}`)
}

function renderTable(words: ReadonlyMap<string, readonly string[]>): string {
  const titles = COLUMNS.map(({ title }) => title)
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  const rows = ROWS.map((row, index) =>
    line([
      row.method,
      `\`${row.binding}\``,
      `\`${row.sslmode}\``,
      ...titles.map((title) => emphasized(words.get(title)?.[index] ?? '?')),
    ]),
  )
  const head = ['login', '`channel_binding`', '`sslmode`', ...titles]
  return `${line(head)}${line(head.map(() => '---'))}${rows.join('')}`
}

function emphasized(word: string): string {
  return word === 'yes' ? '**yes**' : word
}
