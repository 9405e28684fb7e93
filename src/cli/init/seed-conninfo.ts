/**
 * The connection string that `init` is given -> how to log in. Pure. Where a node is comes from the probe's own reader;
 * this adds user, password, database and sslmode, with libpq's names for them.
 *
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
 */
import { SSL_MODES, type SslMode } from '../../config/config.ts'
import { readConninfo } from '../../probe/conninfo.ts'
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
  const parameters = readConninfo(text)
  if (parameters === null) return { ok: false, problem: 'it is no connection string of libpq' }
  const address = parseConninfo(text)
  if (address === null) return { ok: false, problem: 'it names no host' }
  const given = Object.fromEntries([...parameters].filter(([, value]) => value !== ''))
  const { user, password, dbname = DATABASE_DEFAULT, sslmode = 'prefer' } = given
  if (user === undefined) return { ok: false, problem: 'it names no user' }
  const mode = SSL_MODES.find((known) => known === sslmode)
  if (mode === undefined) return { ok: false, problem: `its sslmode is none of ${SSL_MODES.join(', ')}` }
  return { ok: true, login: { address, user, password: password ?? null, database: dbname, sslmode: mode } }
}
