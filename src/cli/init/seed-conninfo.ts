/**
 * The connection string that `init` is given -> how to log in. Pure. Where a node is comes from the probe's own reader;
 * this adds user, password, database and sslmode, with libpq's names for them.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
import { SSL_MODES, type SslMode } from '../../config/config.ts'
import { parseConninfo } from '../../probe/repmgr-nodes.ts'
import type { NodeAddress } from '../../topology/observation.ts'

export interface SeedLogin {
  readonly address: NodeAddress
  readonly user: string
  /** `null`: PGPASSWORD or ~/.pgpass. */
  readonly password: string | null
  readonly database: string
  readonly sslmode: SslMode
}

export type SeedReading =
  | { readonly ok: true; readonly login: SeedLogin }
  | { readonly ok: false; readonly problem: string }

/** repmgr's documentation gives its database this name. */
const DATABASE_DEFAULT = 'repmgr'

export function readSeedConninfo(text: string): SeedReading {
  const parameters = /^postgres(ql)?:\/\//.test(text) ? readUri(text) : readKeywords(text)
  if (parameters === null) return { ok: false, problem: 'it is no connection string of libpq' }
  const address = parseConninfo(text)
  if (address === null) return { ok: false, problem: 'it names no host' }
  const { user, password, dbname = DATABASE_DEFAULT, sslmode = 'prefer' } = Object.fromEntries(parameters)
  if (user === undefined) return { ok: false, problem: 'it names no user' }
  const mode = SSL_MODES.find((known) => known === sslmode)
  if (mode === undefined) return { ok: false, problem: `its sslmode is none of ${SSL_MODES.join(', ')}` }
  return { ok: true, login: { address, user, password: password ?? null, database: dbname, sslmode: mode } }
}

/** `key = value` pairs; a value with spaces stands in `'`, and `\` takes the next character as it is. */
function readKeywords(text: string): ReadonlyMap<string, string> | null {
  const parameters = new Map<string, string>()
  const pair = /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\[\s\S])*)'|((?:[^\s'\\]|\\[\s\S])(?:[^\s\\]|\\[\s\S])*)?)(?=\s|$)/y
  const end = text.trimEnd().length
  while (pair.lastIndex < end) {
    const match = pair.exec(text)
    if (match === null) return null
    const [, key = '', quoted, bare] = match
    const value = (quoted ?? bare ?? '').replace(/\\([\s\S])/g, '$1')
    if (value !== '') parameters.set(key, value)
  }
  return parameters
}

function readUri(text: string): ReadonlyMap<string, string> | null {
  if (!URL.canParse(text)) return null
  const { username, password, pathname, searchParams } = new URL(text)
  const parameters = new Map(searchParams)
  try {
    for (const [key, value] of [
      ['user', username],
      ['password', password],
      ['dbname', pathname.slice(1)],
    ] as const) {
      if (value !== '') parameters.set(key, decodeURIComponent(value))
    }
  } catch {
    return null
  }
  return parameters
}
