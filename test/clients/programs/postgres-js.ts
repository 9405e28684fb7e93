/**
 * `postgres` for Node.js (Postgres.js) as applications use it, step by step; see ../steps.ts for what each step prints.
 * Test support.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import postgres from 'postgres'

const BIG = '0123456789abcdef'.repeat(65536)

type Failure = Error & { readonly code?: string }

const tell = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)
const say = (step: string, value: unknown) => tell({ step, value })

/** The rest comes from PGHOST and so on. One connection, so that every step is on the same session. */
function open(): postgres.Sql {
  const isPlain = process.env['PGSSLMODE'] === 'disable'
  return postgres({ max: 1, ssl: isPlain ? false : 'require', onnotice: () => {} })
}

function digest(data: string | Buffer): unknown {
  return { bytes: data.length, md5: createHash('md5').update(data).digest('hex') }
}

async function failure(work: PromiseLike<unknown>): Promise<Failure> {
  return await Promise.resolve(work).then(
    () => Promise.reject(new Error('it did not fail')),
    (error: Failure) => error,
  )
}

async function errorInTransaction(sql: postgres.Sql): Promise<unknown> {
  const codes: unknown[] = []
  const first = await failure(
    sql.begin(async (transaction) => {
      const error = await failure(transaction`SELECT 1/0`)
      codes.push(error.code)
      codes.push((await failure(transaction`SELECT 1`)).code)
      throw error
    }),
  )
  const [row] = await sql`SELECT 1 AS after`
  return { codes, message: first.message, after: row?.['after'] }
}

async function copy(sql: postgres.Sql): Promise<void> {
  await sql`CREATE TEMP TABLE copied (id int, name text)`
  const rows = Array.from({ length: 1000 }, (_, index) => `${index + 1}\trow ${index + 1}\n`)
  await pipeline(Readable.from(rows), await sql`COPY copied FROM STDIN`.writable())
  const [counted] = await sql`SELECT count(*)::int AS rows, sum(id)::int AS sum FROM copied`
  say('copyIn', counted)
  const out = await sql`COPY (SELECT * FROM copied ORDER BY id) TO STDOUT`.readable()
  say('copyOut', digest(await buffer(out)))
}

/** The library keeps a transaction open for it until it is closed. */
async function largeObject(sql: postgres.Sql): Promise<unknown> {
  const object = await sql.largeObject()
  await object.write(Buffer.from(BIG.slice(0, 100_000)))
  await object.seek(0)
  // The type definitions promise nothing; it is a query like any other.
  const [read] = (await object.read(200_000)) as unknown as readonly { readonly data: Buffer }[]
  await object.close()
  return digest(read?.data ?? '')
}

async function notify(sql: postgres.Sql): Promise<unknown> {
  let hear: (payload: string) => void = () => {}
  const heard = new Promise<string>((resolve) => {
    hear = resolve
  })
  // On a connection of its own, which the library keeps and renews.
  const { unlisten } = await sql.listen('news', (payload) => hear(payload))
  await sql.notify('news', 'paper')
  const payload = await heard
  await unlisten()
  return { channel: 'news', payload }
}

/**
 * On a session that nothing else uses: the server sends its signal twice for one request, and a client that does not
 * wait for the end of the cancel connection may have its next statement cancelled too.
 */
async function cancel(): Promise<unknown> {
  const sql = open()
  const [session] = await sql`SELECT pg_backend_pid() AS pid`
  const query = sql`SELECT pg_sleep(60)`
  const ended = failure(query)
  const other = open()
  const isSleeping = async () => {
    const [row] = await other`SELECT count(*)::int AS count FROM pg_stat_activity
      WHERE pid = ${session?.['pid']} AND wait_event = 'PgSleep'`
    return row?.['count'] === 1
  }
  while (!(await isSleeping())) await delay(20)
  await other.end()
  query.cancel()
  const { code, message } = await ended
  await sql.end()
  return { code, message }
}

async function pipelined(sql: postgres.Sql): Promise<number> {
  const numbers = Array.from({ length: 100 }, (_, index) => index + 1)
  const answers = await Promise.all(numbers.map((number) => sql`SELECT ${number}::int AS number`))
  return answers.reduce((sum, [row]) => sum + Number(row?.['number']), 0)
}

async function steps(): Promise<void> {
  const sql = open()
  // Its package.json is not exported.
  const about = readFileSync(new URL('../package.json', import.meta.resolve('postgres')), 'utf8')
  const { version } = JSON.parse(about) as { version: string }
  say('client', `Postgres.js ${version}, Node.js ${process.versions.node}`)
  const [session] = await sql`SELECT current_user AS user, current_database() AS database, ssl AS tls
    FROM pg_stat_ssl WHERE pid = pg_backend_pid()`
  say('connect', session)
  say('version', sql.parameters['server_version'])
  const add = async (left: number, right: number) => {
    const [row] = await sql`SELECT ${left}::int + ${right}::int AS sum`
    return row?.['sum']
  }
  say('prepared', [await add(1, 2), await add(3, 4)])
  say('error', await errorInTransaction(sql))
  await copy(sql)
  say('largeObject', await largeObject(sql))
  say('notify', await notify(sql))
  say('cancel', await cancel())
  const [echo] = await sql`SELECT ${BIG}::text AS value`
  say('big', digest(String(echo?.['value'])))
  say('pipeline', await pipelined(sql))
  await sql.end()
}

async function standby(): Promise<void> {
  const sql = open()
  const [row] = await sql`SELECT pg_is_in_recovery() AS recovering`
  const { code, message } = await failure(sql`CREATE TABLE no_place_for_it ()`)
  say('standby', { recovering: row?.['recovering'], code, message })
  await sql.end()
}

/** It connects again by itself with the next query. */
async function write(prefix: string): Promise<never> {
  const sql = open()
  for (let number = 1; ; number += 1) {
    try {
      const [row] = await sql`INSERT INTO invoices (number, customer, amount_cents)
        VALUES (${`${prefix}-${number}`}, 'client', 100) RETURNING inet_server_port() AS port`
      tell({ written: `${prefix}-${number}`, port: row?.['port'] })
    } catch (error) {
      const { code, name, message } = error as Failure
      tell({ error: { code: code ?? null, kind: name, text: message } })
    }
    await delay(50)
  }
}

const [mode, prefix = ''] = process.argv.slice(2)
if (mode === 'steps') await steps()
else if (mode === 'standby') await standby()
else if (mode === 'write') await write(prefix)
