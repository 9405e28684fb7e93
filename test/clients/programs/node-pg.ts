/**
 * `pg` for Node.js as applications use it, step by step; see ../steps.ts for what each step prints. Test support.
 * COPY and large objects are not in this library; others add them (pg-copy-streams, pg-large-object).
 */
import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

const BIG = '0123456789abcdef'.repeat(65536)
const SLEEPING = "SELECT count(*)::int AS count FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
const INSERT = `INSERT INTO invoices (number, customer, amount_cents) VALUES ($1, 'client', 100)
  RETURNING inet_server_port() AS port`

type Failure = Error & { readonly code?: string; readonly severity?: string }

const env = (name: string) => process.env[name] ?? ''
const tell = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)
const say = (step: string, value: unknown) => tell({ step, value })

/** The rest comes from PGHOST and so on, as with libpq. */
const config: pg.ClientConfig = { ssl: env('PGSSLMODE') === 'disable' ? false : { rejectUnauthorized: false } }

async function open(more: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = new pg.Client({ ...config, ...more })
  await client.connect()
  return client
}

function digest(data: string): unknown {
  return { bytes: data.length, md5: createHash('md5').update(data).digest('hex') }
}

async function failure(work: Promise<unknown>): Promise<Failure> {
  return await work.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: Failure) => error,
  )
}

async function one(client: pg.Client, sql: string, values: readonly unknown[] = []): Promise<unknown> {
  const { rows } = await client.query<Record<string, unknown>>(sql, [...values])
  return Object.values(rows[0] ?? {})[0]
}

async function errorInTransaction(client: pg.Client): Promise<unknown> {
  await client.query('BEGIN')
  const first = await failure(client.query('SELECT 1/0'))
  const second = await failure(client.query('SELECT 1'))
  await client.query('ROLLBACK')
  return { codes: [first.code, second.code], message: first.message, after: await one(client, 'SELECT 1') }
}

async function notify(client: pg.Client): Promise<unknown> {
  const heard = new Promise<pg.Notification>((resolve) => client.once('notification', resolve))
  await client.query('LISTEN news')
  const other = await open()
  await other.query("NOTIFY news, 'paper'")
  await other.end()
  const { channel, payload } = await heard
  await client.query('UNLISTEN news')
  return { channel, payload }
}

/**
 * On a session that nothing else uses: the server sends its signal twice for one request, and a client that does not
 * wait for the end of the cancel connection may have its next statement cancelled too.
 */
async function cancel(): Promise<unknown> {
  const client = await open()
  const pid = await one(client, 'SELECT pg_backend_pid()')
  const query = new pg.Query('SELECT pg_sleep(60)')
  const ended = new Promise<Failure>((resolve, reject) => {
    query.once('error', resolve)
    query.once('end', () => reject(new Error('it was not cancelled')))
  })
  client.query(query)
  const other = await open()
  while ((await one(other, SLEEPING, [pid])) === 0) await delay(20)
  await other.end()
  // Not in the type definitions.
  const canceller = new pg.Client(config) as pg.Client & { cancel(target: pg.Client, query: pg.Query): void }
  canceller.cancel(client, query)
  const { code, message } = await ended
  await client.end()
  return { code, message }
}

async function pipelined(): Promise<number> {
  const client = await open({ pipeline: true } as pg.ClientConfig)
  const numbers = Array.from({ length: 100 }, (_, index) => index + 1)
  const answers = await Promise.all(numbers.map((number) => one(client, 'SELECT $1::int', [number])))
  await client.end()
  return answers.reduce<number>((sum, answer) => sum + Number(answer), 0)
}

async function steps(): Promise<void> {
  const client = await open()
  const { version } = createRequire(import.meta.url)('pg/package.json') as { version: string }
  say('client', `pg ${version}, Node.js ${process.versions.node}`)
  const about = `SELECT current_user AS user, current_database() AS database, ssl AS tls
    FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
  say('connect', (await client.query(about)).rows[0])
  say('version', await one(client, 'SHOW server_version'))
  const add = async (values: number[]) => {
    const { rows } = await client.query({ name: 'adding', text: 'SELECT $1::int + $2::int AS sum', values })
    return rows[0]?.sum
  }
  say('prepared', [await add([1, 2]), await add([3, 4])])
  say('error', await errorInTransaction(client))
  say('notify', await notify(client))
  say('cancel', await cancel())
  say('big', digest(String(await one(client, 'SELECT $1::text', [BIG]))))
  say('pipeline', await pipelined())
  await client.end()
}

async function standby(): Promise<void> {
  const client = await open()
  const recovering = await one(client, 'SELECT pg_is_in_recovery()')
  const { code, message } = await failure(client.query('CREATE TABLE no_place_for_it ()'))
  say('standby', { recovering, code, message })
  await client.end()
}

/** A pool, with the listener for errors of idle clients without which the process would end. */
async function write(prefix: string): Promise<never> {
  const complain = ({ code, name, message }: Failure) =>
    tell({ error: { code: code ?? null, kind: name, text: message } })
  const pool = new pg.Pool({ ...config, max: 1 })
  pool.on('error', complain)
  for (let number = 1; ; number += 1) {
    try {
      const { rows } = await pool.query<{ port: number }>(INSERT, [`${prefix}-${number}`])
      tell({ written: `${prefix}-${number}`, port: rows[0]?.port })
    } catch (error) {
      complain(error as Failure)
    }
    await delay(50)
  }
}

const [mode, prefix = ''] = process.argv.slice(2)
if (mode === 'steps') await steps()
else if (mode === 'standby') await standby()
else if (mode === 'write') await write(prefix)
