/**
 * P5 and P7, much at once: COPY of 1 GB both ways, single messages of 512 MiB, ends that do not read. The same bytes as
 * directly, and the proxy's memory stays what it is.
 */
import { createHash } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { int32, message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { residentMiB, watchPeak } from './process-memory.ts'
import { startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { type Received, StreamClient } from './stream-client.ts'

const MIB = 1024 * 1024
const ROWS = 1024
/** Each is 1 MiB that no other row has. */
const ROW_SQL = `convert_to(repeat(md5(i::text), ${MIB / 32}), 'UTF8')`
const COPY_OUT = `COPY (SELECT ${ROW_SQL} FROM generate_series(1, ${ROWS}) AS i) TO STDOUT (FORMAT binary)`
const BYTEA_OID = 17

/** A GB takes some seconds, and more where the machine has other things to do. */
const PATIENTLY = { timeoutMs: 40_000, intervalMs: 1 }
const TEST_TIMEOUT_MS = 120_000

/** What the proxy may need on top of what it had: Node's own buffers until they are collected. */
const GROWTH_MIB_MAX = 128

let scene: Scene
let node1: PostgresServer
const clients: StreamClient[] = []

beforeAll(async () => {
  scene = await Scene.open({ nodes: 1, repmgrTables: false })
  node1 = scene.node('node1')
  // Of each row only the verdict is kept: a GB that is written to disk would say nothing of the proxy.
  await node1.query(
    `CREATE UNLOGGED TABLE arrived (i int, data bytea);
     CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS
       $$DECLARE i int := NEW.i; BEGIN NEW.data := CASE WHEN NEW.data = ${ROW_SQL} THEN 'right' ELSE 'wrong' END; RETURN NEW; END$$;
     CREATE TRIGGER judge BEFORE INSERT ON arrived FOR EACH ROW EXECUTE FUNCTION judge()`,
    { database: 'einvoice' },
  )
})

beforeEach(() => tellOnFailure(() => scene))

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

afterAll(async () => {
  await scene.close()
})

async function login(target: { readonly host: string; readonly port: number }, name = 'reader'): Promise<StreamClient> {
  const client = await StreamClient.login(target, name)
  clients.push(client)
  return client
}

/** The rows of `COPY_OUT`, each in a CopyData (F). `onSent` is told how many have been sent. */
async function copyIn(client: StreamClient, onSent: (count: number) => void): Promise<void> {
  await client.query('COPY arrived FROM STDIN (FORMAT binary)')
  await client.waitForNth('G', 1)
  await client.send(message('d', Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), int32(0), int32(0)])))
  for (let row = 1; row <= ROWS; row += 1) {
    const digest = createHash('md5').update(String(row)).digest('hex')
    const head = Buffer.concat([int16(2), int32(4), int32(row), int32(MIB)])
    await client.send(Buffer.concat([Buffer.from('d'), int32(4 + head.length + MIB), head]))
    await client.send(Buffer.alloc(MIB, digest))
    onSent(row)
  }
  await client.send(Buffer.concat([message('d', int16(0xffff)), message('c')]))
  await client.waitForNth('Z', 1)
}

/** Waits until the number has stopped changing. */
async function standstill(what: string, read: () => number | Promise<number>): Promise<number> {
  let [last, times] = [-1, 0]
  return await waitFor(
    `${what} to stand still`,
    async () => {
      const now = await read()
      times = now === last ? times + 1 : 0
      last = now
      return now
    },
    { until: () => times >= 15, timeoutMs: 40_000 },
  )
}

/** What the proxy has taken from all servers and wants to give to their clients. */
async function bytesToClients(): Promise<number> {
  const answer = (await (await scene.proxy.get('/api/sessions')).json()) as {
    readonly sessions: readonly { readonly bytesToClient: number }[]
  }
  return answer.sessions.reduce((sum, { bytesToClient }) => sum + bytesToClient, 0)
}

describe.skipIf(leftOut('memory of the proxy', process.platform === 'linux' || 'only Linux tells it in /proc'))(
  'much at once',
  { timeout: TEST_TIMEOUT_MS },
  () => {
    it('comes by COPY, 1 GB of it, also to a client that does not read for a while', async () => {
      const directly = await login(node1)
      await directly.query(COPY_OUT)
      await directly.waitForNth('Z', 1)
      const expected: Received = directly.finish()
      expect(expected.byteCount).toBeGreaterThan(ROWS * MIB)

      const slow = await login(scene.target)
      const before = residentMiB(scene.proxy.pid)
      const peak = watchPeak(scene.proxy.pid)
      await slow.query(COPY_OUT)
      await waitFor('a quarter', () => slow.byteCount > (ROWS / 4) * MIB, PATIENTLY)
      slow.socket.pause()
      expect(await standstill('the proxy', bytesToClients)).toBeLessThan((ROWS / 2) * MIB)
      const waits = "SELECT wait_event FROM pg_stat_activity WHERE application_name = 'reader' AND state = 'active'"
      expect(await node1.value(waits)).toBe('ClientWrite')
      const other = await login(scene.target)
      await other.query('SELECT 1')
      await other.waitForNth('Z', 1)
      slow.socket.resume()
      await slow.waitForNth('Z', 1)
      expect(slow.finish()).toEqual(expected)
      expect(peak() - before).toBeLessThan(GROWTH_MIB_MAX)
    })

    it('goes by COPY, 1 GB of it, also to a server that does not read for a while', async () => {
      const client = await login(scene.target, 'writer')
      const pid = Number(await node1.value("SELECT pid FROM pg_stat_activity WHERE application_name = 'writer'"))
      const before = residentMiB(scene.proxy.pid)
      const peak = watchPeak(scene.proxy.pid)
      let sent = 0
      const copied = copyIn(client, (count) => {
        sent = count
        if (count === ROWS / 4) process.kill(pid, 'SIGSTOP')
      })
      copied.catch(() => {})
      try {
        await waitFor('a quarter', () => sent >= ROWS / 4, PATIENTLY)
        expect(await standstill('the client', () => sent)).toBeLessThan(ROWS / 2)
      } finally {
        process.kill(pid, 'SIGCONT')
      }
      await copied
      const verdicts = `SELECT count(*)::int AS count, min(encode(data, 'escape')), max(encode(data, 'escape')) FROM arrived`
      expect(await node1.query(verdicts, { database: 'einvoice' })).toEqual([
        { count: ROWS, min: 'right', max: 'right' },
      ])
      expect(client.counts.get('C')).toBe(1)
      expect(peak() - before).toBeLessThan(GROWTH_MIB_MAX)
    })

    it.each([1, 512])('goes and comes as one message of %i MiB', async (size) => {
      const client = await login(scene.target)
      const before = residentMiB(scene.proxy.pid)
      const peak = watchPeak(scene.proxy.pid)
      const byteCount = size * MIB
      await client.send(message('P', Buffer.concat([Buffer.from('\0SELECT $1\0'), int16(1), int32(BYTEA_OID)])))
      // Bind (F) in pieces: nobody has to hold all of it.
      const head = Buffer.concat([Buffer.from('\0\0'), int16(1), int16(1), int16(1), int32(byteCount)])
      const tail = Buffer.concat([int16(1), int16(1)])
      await client.send(Buffer.concat([Buffer.from('B'), int32(4 + head.length + byteCount + tail.length), head]))
      const expected = createHash('sha256').update(message('1')).update(message('2'))
      expected
        .update('D')
        .update(int32(4 + 2 + 4 + byteCount))
        .update(int16(1))
        .update(int32(byteCount))
      for (let index = 0; index < size; index += 1) {
        const piece = Buffer.alloc(MIB, `${index} `)
        expected.update(piece)
        await client.send(piece)
      }
      await client.send(tail)
      await client.send(Buffer.concat([message('E', Buffer.concat([Buffer.from('\0'), int32(0)])), message('S')]))
      await client.waitForNth('Z', 1)
      expected.update(message('C', 'SELECT 1\0')).update(message('Z', 'I'))
      expect(client.finish().sha256).toBe(expected.digest('hex'))
      expect(peak() - before).toBeLessThan(GROWTH_MIB_MAX)
    })

    it('is asked without waiting: 10,000 queries behind the startup packet are all answered, in order', async () => {
      const queries = Array.from({ length: 10_000 }, (_, index) => [
        message('P', `\0SELECT ${index}\0\0\0`),
        message('B', Buffer.alloc(8)),
        message('E', Buffer.concat([Buffer.from('\0'), int32(0)])),
        message('S'),
      ])
      const script = Buffer.concat([startupMessage({ user: 'postgres', database: 'einvoice' }), ...queries.flat()])
      const [directly, through] = await Promise.all(
        [node1, scene.target].map(async (target) => {
          const client = await StreamClient.connect(target)
          clients.push(client)
          await client.send(script)
          await client.waitForNth('Z', 10_001)
          return { ...client.finish(), rows: client.counts.get('D') }
        }),
      )
      expect(directly).toMatchObject({ rows: 10_000 })
      expect(through).toEqual(directly)
    })
  },
)

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
