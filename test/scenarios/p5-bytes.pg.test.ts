/**
 * P5, what PostgreSQL's programs and drivers do in plain sessions: the same through the proxy as directly, byte for byte
 * where bytes can be compared.
 */
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { firstPacket, int32, message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { digestOutput, endOf, programsAvailable, runProgram, startProgram } from './programs.ts'
import { GSSENC_REQUEST, RawClient, SSL_REQUEST, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { connectable, type Target } from './writers.ts'

/** About 100 MB as COPY text. */
const ROWS = 'SELECT i, repeat(md5(i::text), 15) FROM generate_series(1, 206000) AS i'
const COPY_BYTES_MIN = 100_000_000

let scene: Scene
let node1: PostgresServer
const clients: RawClient[] = []

beforeAll(async () => {
  scene = await Scene.open({ nodes: 1, repmgrTables: false })
  node1 = scene.node('node1')
})

beforeEach(() => tellOnFailure(() => scene))

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

afterAll(async () => {
  // Whatever was done: each session that came has ended, and none for a reason that is the proxy's.
  await scene.waitForStatus('all sessions to be over', ({ sessions }) => sessions.active === 0)
  const { ended } = (await scene.status()).sessions
  const expected = ['finished', 'cancel-request', 'client-lost', 'client-left-early']
  expect(Object.entries(ended).filter(([reason, count]) => count > 0 && !expected.includes(reason))).toEqual([])
  await scene.close()
})

/** Is destroyed when the test is over, however it ends. */
function kept(client: RawClient): RawClient {
  clients.push(client)
  return client
}

function both(): readonly [Target, Target] {
  return [node1, scene.target]
}

describe.skipIf(leftOut('psql', programsAvailable('psql')))('psql', () => {
  it('gets and puts 100 MB by COPY, which are the same as directly', async () => {
    const out = ['-XAtc', `COPY (${ROWS}) TO STDOUT`]
    const direct = await digestOutput('psql', out, { target: node1 })
    expect(direct.byteCount).toBeGreaterThan(COPY_BYTES_MIN)
    expect(await digestOutput('psql', out, { target: scene.target })).toEqual(direct)

    const file = join(scene.folder, 'copy.txt')
    const written = await runProgram('psql', ['-Xqc', `\\copy (${ROWS}) TO '${file}'`], { target: node1 })
    expect(written).toMatchObject({ code: 0, stderr: '' })
    expect((await stat(file)).size).toBe(direct.byteCount)
    await node1.query('CREATE UNLOGGED TABLE copied (i int, t text); GRANT ALL ON copied TO einvoice', {
      database: 'einvoice',
    })
    const put = await runProgram('psql', ['-Xc', 'COPY copied FROM STDIN'], {
      target: scene.target,
      input: createReadStream(file),
    })
    expect(put).toMatchObject({ code: 0, stdout: 'COPY 206000\n' })
    await rm(file)
    const back = ['-XAtc', 'COPY (SELECT * FROM copied ORDER BY i) TO STDOUT']
    expect(await digestOutput('psql', back, { target: node1 })).toEqual(direct)
  })

  it('cancels a query with Ctrl-C, and only its own', async () => {
    const bystander = connectable(scene.target)
    await bystander.connect()
    const asleep = bystander.query("SELECT pg_sleep(2), 'undisturbed' AS is")
    const psql = startProgram('psql', ['-Xc', 'SELECT pg_sleep(55)'], { target: scene.target })
    const end = endOf(psql)
    await node1.waitFor("SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(55)'")
    psql.kill('SIGINT')
    expect((await end).stderr).toContain('canceling statement due to user request')
    await scene.waitForStatus('the request to be counted', ({ sessions }) => sessions.ended['cancel-request'] === 1)
    expect((await asleep).rows).toEqual([{ pg_sleep: '', is: 'undisturbed' }])
    await bystander.end()
  })

  it('connects with sslmode prefer, which asks for TLS first, and is refused with require as directly', async () => {
    const run = (target: Target, PGSSLMODE: string) =>
      runProgram('psql', ['-XAtc', 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'], {
        target,
        env: { PGSSLMODE },
      })
    expect(await run(scene.target, 'prefer')).toMatchObject({ code: 0, stdout: 'f\n' })
    expect(await run(scene.target, 'require')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('server does not support SSL, but SSL was required'),
    })
  })

  it('speaks the replication protocol', async () => {
    const identify = (target: Target) =>
      runProgram('psql', ['-XAt', '-d', 'dbname=einvoice replication=database', '-c', 'IDENTIFY_SYSTEM'], {
        target,
        env: { PGUSER: 'postgres' },
      })
    const direct = await identify(node1)
    expect(direct.stdout.split('|')).toHaveLength(4)
    expect(await identify(scene.target)).toEqual(direct)
  })
})

describe.skipIf(leftOut('pg_receivewal', programsAvailable('pg_receivewal')))('pg_receivewal', () => {
  it('streams WAL and ends by a signal', async () => {
    const receiver = startProgram('pg_receivewal', ['-D', scene.folder, '--synchronous', '--no-loop', '-v'], {
      target: scene.target,
      env: { PGUSER: 'postgres' },
    })
    const end = endOf(receiver)
    await node1.waitFor("SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'")
    const written = String(await node1.value("SELECT pg_logical_emit_message(true, 'test', repeat('x', 100000))"))
    await node1.waitFor(`SELECT flush_lsn >= '${written}' FROM pg_stat_replication`)
    receiver.kill('SIGINT')
    expect(await end).toMatchObject({ code: 0 })
  })
})

describe('a driver', () => {
  it('logs in by SCRAM, is refused for a wrong password in the server’s words, and takes 64 MiB each way', async () => {
    const wrong = connectable(scene.target, { password: 'wrong' })
    await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01', severity: 'FATAL' })
    wrong.socket.destroy()
    const client = connectable(scene.target)
    await client.connect()
    const large = Buffer.alloc(64 * 1024 * 1024, 'pgha')
    const { rows } = await client.query('SELECT $1::bytea AS echo', [large])
    expect(large.equals(rows[0]?.echo)).toBe(true)
    await client.end()
  })

  it('is notified of what another one says', async () => {
    const [listener, speaker] = [connectable(scene.target), connectable(scene.target)]
    await Promise.all([listener.connect(), speaker.connect()])
    const heard: unknown[] = []
    listener.on('notification', ({ payload }) => heard.push(payload))
    await listener.query('LISTEN news')
    for (const word of ['first', 'second']) await speaker.query('SELECT pg_notify($1, $2)', ['news', word])
    await waitFor('both notifications', () => heard.length === 2)
    expect(heard).toEqual(['first', 'second'])
    await Promise.all([listener.end(), speaker.end()])
  })
})

describe('bytes on the wire', () => {
  it('come back from a pipeline of extended queries as they do directly', async () => {
    const steps = Array.from({ length: 500 }, (_, index) =>
      Buffer.concat([
        message('P', Buffer.concat([Buffer.from(`\0SELECT repeat('${index}', ${index * 7})\0`), Buffer.from([0, 0])])),
        message('B', Buffer.alloc(8)),
        message('D', 'P\0'),
        message('E', Buffer.concat([Buffer.from('\0'), int32(0)])),
        // Every tenth fails, and skips what follows up to the Sync.
        ...(index % 10 === 9 ? [message('Q', 'SELECT 1/0\0'), message('S')] : index % 10 === 4 ? [message('S')] : []),
      ]),
    )
    const script = Buffer.concat([...steps, message('S'), message('X')])
    const [direct, through] = await Promise.all(
      both().map(async (target) => {
        const client = kept(await RawClient.login(target))
        const loginBytes = client.received.length
        client.send(script)
        const all = await client.waitForEnd()
        return all.subarray(loginBytes)
      }),
    )
    expect(direct?.length).toBeGreaterThan(500_000)
    expect(through?.equals(direct ?? Buffer.alloc(0))).toBe(true)
  })

  it('are answered to the end after a client has closed its sending side', async () => {
    const [direct, through] = await Promise.all(
      both().map(async (target) => {
        const client = kept(await RawClient.login(target))
        const loginBytes = client.received.length
        client.query("SELECT repeat('half-closed ', 100000) FROM generate_series(1, 5)")
        client.socket.end()
        return (await client.waitForEnd()).subarray(loginBytes)
      }),
    )
    expect(direct?.length).toBeGreaterThan(6_000_000)
    expect(through?.equals(direct ?? Buffer.alloc(0))).toBe(true)
  })

  it('ask for GSSAPI, then for TLS, are told N to both, and go on in plain', async () => {
    const client = kept(await RawClient.connect(scene.target))
    client.send(GSSENC_REQUEST)
    expect((await client.waitForBytes(1)).toString()).toBe('N')
    client.send(SSL_REQUEST)
    expect((await client.waitForBytes(2)).toString()).toBe('NN')
    client.send(startupMessage({ user: 'postgres', database: 'einvoice' }))
    await waitFor('the login', () => client.received.includes('Z\0\0\0\x05I'))
    client.send(message('X'))
    await client.waitForEnd()
  })

  it('of a newer minor protocol and its options are negotiated by the server as directly', async () => {
    const settings = 'user\0postgres\0database\0einvoice\0_pq_.unheard_of\0on\0\0'
    const answers = await Promise.all(
      both().map(async (target) => {
        const client = kept(await RawClient.connect(target))
        client.send(firstPacket(196_608 + 9_999, settings))
        await client.waitForMessage('Z')
        client.send(message('X'))
        await client.waitForEnd()
        return client.messages.filter(({ type }) => type === 'v').map(({ payload }) => payload.toString('latin1'))
      }),
    )
    expect(answers[0]).toHaveLength(1)
    expect(answers[1]).toEqual(answers[0])
  })
})
