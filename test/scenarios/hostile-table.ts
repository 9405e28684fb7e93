/** The tables of docs/hostile-input.md, made of the forms that the tests send. Test support. */
import {
  AFTER_LOGIN,
  FIRST_PACKETS,
  HELD,
  type HostileForm,
  NO_HEADERS,
  SEQUENCES,
  STRANGERS,
  TOO_MANY,
  TOO_MANY_FROM_ADDRESS,
  TOO_MANY_HELD,
  TOO_SLOW,
} from './hostile-forms.ts'
import { SLOW_TLS_FORMS, TLS_FORMS } from './hostile-tls-forms.ts'

type Row = HostileForm & { readonly letters?: string; readonly alert?: true; readonly listener?: string }

const GROUPS: readonly { readonly title: string; readonly rows: readonly Row[] }[] = [
  { title: 'The first packet', rows: [...FIRST_PACKETS, ...SEQUENCES] },
  { title: 'Too slow, too many', rows: [...TOO_SLOW, TOO_MANY, TOO_MANY_FROM_ADDRESS] },
  { title: 'While it is held', rows: [...HELD, TOO_MANY_HELD] },
  { title: 'After the login', rows: AFTER_LOGIN },
  { title: 'A load balancer, where a PROXY header is due', rows: NO_HEADERS },
  { title: 'Anybody else there', rows: STRANGERS },
  { title: 'TLS that ends at the proxy', rows: [...TLS_FORMS, ...SLOW_TLS_FORMS] },
]

const MARK = /(<!-- tables: .* -->\n)[\s\S]*?(<!-- end of tables -->)/

/** The document with the tables in it. */
export function writeTables(document: string): string {
  if (!MARK.test(document)) throw new Error('the document has no place for the tables')
  return document.replace(MARK, (_, begin: string, end: string) => `${begin}${GROUPS.map(render).join('')}\n${end}`)
}

function render({ title, rows }: (typeof GROUPS)[number]): string {
  const lines = rows.map((row) => `| ${row.name} | ${answerOf(row)} | \`${row.counted}\` |\n`)
  return `\n### ${title}\n\n| sent | answer | close reason |\n|---|---|---|\n${lines.join('')}`
}

function answerOf({ told, letters, alert }: Row): string {
  const words = told === null ? (alert ? 'an alert of TLS' : 'closed without a word') : `FATAL ${quoteMessage(told)}`
  return letters === undefined ? words : `\`${letters}\`, then ${words}`
}

/** SQLSTATE as it is, the message as code. */
function quoteMessage(told: string): string {
  return told.replace(/^(\S+) (.*)$/, '$1 `$2`')
}
