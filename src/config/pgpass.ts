/**
 * The password file of libpq, `~/.pgpass`: its lines and which of them is for a connection. Pure.
 *
 * Own code, because the `pgpass` package reads `process.env`, writes its warnings to standard error past our log, cannot
 * read a field that ends in a backslash, and node-postgres is about to drop it.
 *
 * @see https://www.postgresql.org/docs/current/libpq-pgpass.html
 */

/** What a line is looked up by. A host that starts with `/` is a socket directory, for which libpq looks up `localhost`. */
export interface PgpassKey {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/** The fields of one line, escapes undone; the last one takes the rest of the line. `null` for a comment or a short line. */
function readLine(
  line: string,
): { readonly fields: readonly string[]; readonly isWildcard: readonly boolean[] } | null {
  if (line.startsWith('#')) return null
  const fields: string[] = []
  const isWildcard: boolean[] = []
  let field = ''
  let rawLength = 0
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at] ?? ''
    if (character === ':' && fields.length < 4) {
      fields.push(field)
      // `\*` is a literal asterisk.
      isWildcard.push(field === '*' && rawLength === 1)
      field = ''
      rawLength = 0
      continue
    }
    const isEscape = character === '\\' && at + 1 < line.length
    if (isEscape) at += 1
    field += isEscape ? line[at] : character
    rawLength += isEscape ? 2 : 1
  }
  fields.push(field)
  return fields.length === 5 ? { fields, isWildcard } : null
}

/** The password of the first line that fits; `null` when none does, or it is empty. `text` is the file's content. */
export function findPgpassPassword(text: string, key: PgpassKey): string | null {
  const host = key.host.startsWith('/') ? 'localhost' : key.host
  const wanted = [host, String(key.port), key.database, key.user]
  for (const line of text.split('\n')) {
    const entry = readLine(line.replace(/\r$/, ''))
    if (entry?.fields.slice(0, 4).every((field, index) => entry.isWildcard[index] || field === wanted[index])) {
      return entry.fields[4] || null
    }
  }
  return null
}
