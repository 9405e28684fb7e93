/**
 * One SQL text on one connection that is gone afterwards, whatever the server does. Test support.
 */
import { Socket } from 'node:net'
import pg from 'pg'

/** A row by column name; values as `pg` parses them (bigint comes as text). */
export type SqlRow = Readonly<Record<string, unknown>>

/** As whom, where, and for how long at most. */
export interface QueryOptions {
  readonly user?: string
  readonly password?: string
  readonly database?: string
  readonly values?: readonly unknown[]
  /** For connecting and answering together; default 10 000 ms. A frozen server would never answer. */
  readonly timeoutMs?: number
}

/** The rows of the last statement of `sql`. Rejects with pg's DatabaseError, a socket error, or on the time limit. */
export async function querySql(
  server: { readonly host: string; readonly port: number },
  sql: string,
  options: QueryOptions = {},
): Promise<readonly SqlRow[]> {
  return await withClient(server, options, async (client) => {
    const result = (await client.query(sql, options.values?.slice())) as pg.QueryResult | pg.QueryResult[]
    const last = Array.isArray(result) ? result.at(-1) : result
    return (last?.rows ?? []) as SqlRow[]
  })
}

/** Lends a connected client to `use`; its socket is destroyed when `use` is done, fails, or takes too long. */
export async function withClient<T>(
  server: { readonly host: string; readonly port: number },
  options: QueryOptions,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const { user = 'postgres', database = 'postgres', timeoutMs = 10_000 } = options
  const socket = new Socket()
  const client = new pg.Client({
    host: server.host,
    port: server.port,
    user,
    database,
    // pg would look into PGPASSWORD and ~/.pgpass of whoever runs the tests.
    password: options.password ?? '',
    stream: () => socket,
  })
  // Of a server that dies later; whoever waits for an answer is told by the rejected promise.
  client.on('error', () => {})
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer from ${server.host}:${server.port} within ${timeoutMs} ms`))
      socket.destroy()
    }, timeoutMs)
  })
  try {
    const work = client.connect().then(() => use(client))
    // When the limit comes first, nobody looks at how the work ends.
    work.catch(() => {})
    const result = await Promise.race([work, limit])
    await Promise.race([client.end(), limit])
    return result
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}
