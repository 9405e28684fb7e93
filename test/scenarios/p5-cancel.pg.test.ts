/**
 * P5, cancel requests with real servers: in every way that clients send them, for sessions that the proxy can and cannot
 * read, with short and long keys, and never for anybody else. Beside them a bystander has its one query run all along.
 * Through two proxies: p5-cancel-two-proxies.pg.test.ts. What needs servers made by hand: test/net/cancel.net.test.ts.
 */
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { firstPacket, int32, message, PROTOCOL_3_0, PROTOCOL_3_2, parameters } from '../protocol/wire-bytes.ts'
import { opensslAvailable } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries } from '../support/postgres-binaries.ts'
import { endOf, programsAvailable, startProgram } from './programs.ts'
import { tellOnFailure } from './scene.ts'
import { TlsStage } from './tls-stage.ts'
import { dial, isOver, messagesOf, WAYS, type Way, type Wire } from './ways.ts'

const CANCEL_CODE = 80_877_102
const LONG_QUERY = 'SELECT pg_sleep(600)'
const LISTENERS = ['passthrough', 'plain', 'encrypted'] as const
type ListenerName = (typeof LISTENERS)[number]
const SKETCHES: Parameters<typeof TlsStage.open>[1] = {
  passthrough: () => ({ mode: 'passthrough' }),
  plain: (files) => ({ mode: 'terminate', ...files.own }),
  encrypted: (files) => ({
    mode: 'terminate',
    ...files.same,
    server_sslmode: 'verify-full',
    server_sslrootcert: files.ca,
  }),
}
/** In doubt after 3 x 300 ms of silence. */
const QUICK = { timeout: '300ms', failures: 3, interval: '100ms' }

let stage: TlsStage
const sockets: Socket[] = []

async function connect(way: Way, listener: ListenerName): Promise<Wire> {
  const wire = await dial(way, stage.target(listener))
  sockets.push(wire.socket)
  return wire
}

interface LongSession {
  readonly wire: Wire
  readonly key: Buffer
  readonly pid: number
}

/** Logs in. The key is that of BackendKeyData. */
async function logIn(way: Way, listener: ListenerName, protocol = PROTOCOL_3_0): Promise<LongSession> {
  const wire = await connect(way, listener)
  wire.send(firstPacket(protocol, parameters(['user', 'postgres'], ['database', 'einvoice'])))
  await waitFor('ReadyForQuery', () => messagesOf(wire, 'Z').length === 1)
  const key = messagesOf(wire, 'K')[0]?.payload ?? Buffer.alloc(4)
  return { wire, key, pid: key.readInt32BE(0) }
}

async function startQuery({ wire, pid }: LongSession): Promise<void> {
  wire.send(message('Q', `${LONG_QUERY}\0`))
  await stage.node1.waitFor(`SELECT state = 'active' FROM pg_stat_activity WHERE pid = ${pid}`)
}

/** Sends a CancelRequest and waits until it is closed, which is all the answer there is. */
async function cancel(way: Way, listener: ListenerName, key: Buffer): Promise<void> {
  const wire = await connect(way, listener)
  wire.send(firstPacket(CANCEL_CODE, key))
  await waitFor('the cancel to be closed', () => isOver(wire))
  expect(wire.received).toHaveLength(0)
  wire.socket.destroy()
}

async function expectCancelled({ wire }: LongSession): Promise<void> {
  await waitFor('the error', () => messagesOf(wire, 'E').length === 1)
  expect(messagesOf(wire, 'E')[0]?.payload.toString('utf8')).toContain('C57014')
}

/** A session whose one query is never to be cancelled. */
class Bystander {
  readonly session: LongSession
  readonly #startedAt: unknown

  private constructor(session: LongSession, startedAt: unknown) {
    this.session = session
    this.#startedAt = startedAt
  }

  static async start(): Promise<Bystander> {
    const session = await logIn('in plain', 'passthrough')
    sockets.splice(sockets.indexOf(session.wire.socket), 1)
    await startQuery(session)
    return new Bystander(session, await Bystander.#started(session))
  }

  async expectUndisturbed(): Promise<void> {
    expect(await Bystander.#started(this.session)).toBe(this.#startedAt)
    expect(messagesOf(this.session.wire, 'E')).toEqual([])
  }

  stop(): void {
    this.session.wire.socket.destroy()
  }

  static async #started({ pid }: LongSession): Promise<unknown> {
    const sql = `SELECT query_start::text || state || query FROM pg_stat_activity WHERE pid = ${pid}`
    return await stage.node1.value(sql)
  }
}

const system = findBinaries('system')
const npm = findBinaries('npm')
const VERSIONS = [
  { name: 'with the system’s server', binaries: system, ways: ['in plain', 'after an SSLRequest'], isNew: false },
  {
    name: 'with a server of version 18',
    binaries: npm,
    ways: WAYS,
    isNew: true,
  },
] as const

for (const { name, binaries, ways, isNew } of VERSIONS) {
  const isThere = 'missing' in binaries ? binaries.missing : !isNew || binaries.major >= 18 || 'it is older than 18'
  const isAvailable = opensslAvailable() === true ? isThere : opensslAvailable()
  describe.skipIf(leftOut(`cancel ${name}`, isAvailable))(`a cancel request, ${name}`, () => {
    if ('missing' in binaries) return
    let bystander: Bystander

    beforeAll(async () => {
      stage = await TlsStage.open(binaries, SKETCHES, { monitor: QUICK })
      bystander = await Bystander.start()
    })
    beforeEach(() => tellOnFailure(() => stage?.scene))
    afterEach(async () => {
      for (const socket of sockets.splice(0)) socket.destroy()
      await bystander.expectUndisturbed()
    })
    afterAll(async () => {
      bystander?.stop()
      await stage?.close()
    })

    const combinations = LISTENERS.flatMap((listener) =>
      ways.flatMap((session) => ways.map((request) => ({ listener, session, request }))),
    )
    it.each(combinations)('that comes $request cancels a session that came $session ($listener)', async (each) => {
      const session = await logIn(each.session, each.listener, isNew ? PROTOCOL_3_2 : PROTOCOL_3_0)
      expect(session.key).toHaveLength(isNew ? 4 + 32 : 4 + 4)
      await startQuery(session)
      await cancel(each.request, each.listener, session.key)
      await expectCancelled(session)
    })

    it.each(LISTENERS)('cancels nobody once its session has ended (%s)', async (listener) => {
      const { wire, key, pid } = await logIn('after an SSLRequest', listener)
      wire.send(message('X'))
      await waitFor('the end', () => isOver(wire))
      await stage.node1.waitFor(`SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ${pid}`)
      for (const way of ways) await cancel(way, listener, key)
      await waitForLog(`PID ${pid} in cancel request did not match any process`, ways.length)
    })

    it.each(LISTENERS)('cancels nobody once its query has ended: the next one goes on (%s)', async (listener) => {
      const session = await logIn('after an SSLRequest', listener)
      for (const way of ways) await cancel(way, listener, session.key)
      session.wire.send(message('Q', "SELECT 'still here'\0"))
      await waitFor('the answer', () => messagesOf(session.wire, 'Z').length === 2)
      expect([messagesOf(session.wire, 'D'), messagesOf(session.wire, 'E')]).toEqual([[expect.anything()], []])
    })

    it.each(LISTENERS)('with another’s process and a wrong secret cancels nobody (%s)', async (listener) => {
      const { pid, key } = bystander.session
      const guess = Buffer.concat([int32(pid), key.subarray(4).map((byte) => byte ^ 0xff)])
      const before = countInLog(`wrong key in cancel request for process ${pid}`)
      for (const way of ways) await cancel(way, listener, guess)
      await waitForLog(`wrong key in cancel request for process ${pid}`, before + ways.length)
    })

    it('for a session behind TLS reaches its server while nobody knows whether that is still the primary', async () => {
      const session = await logIn('after an SSLRequest', 'passthrough')
      await startQuery(session)
      await stage.node1.freeze()
      await stage.scene.waitForStatus('doubt', ({ state }) => state === 'uncertain')
      const request = await connect('in plain', 'passthrough')
      request.send(firstPacket(CANCEL_CODE, session.key))
      await stage.scene.waitForStatus('the request', ({ sessions }) => sessions.active === 3)
      stage.node1.thaw()
      await expectCancelled(session)
      await stage.scene.waitUntilServing('node1')
    })

    if (isNew)
      it.skipIf(leftOut('Ctrl-C in psql with direct TLS', programsAvailable('psql')))(
        'of psql’s Ctrl-C works with direct TLS and protocol 3.2',
        async () => {
          for (const listener of LISTENERS) {
            const conninfo = `sslnegotiation=direct sslmode=require max_protocol_version=3.2 application_name=to-${listener}`
            const program = startProgram('psql', ['-X', conninfo, '-c', LONG_QUERY], {
              target: stage.target(listener),
              env: { LD_LIBRARY_PATH: join(dirname(binaries.folder), 'lib') },
            })
            const end = endOf(program)
            await stage.node1.waitFor(
              `SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'to-${listener}' AND query = '${LONG_QUERY}'`,
            )
            program.kill('SIGINT')
            expect((await end).stderr).toContain('canceling statement due to user request')
          }
        },
      )

    it('for a server that is gone cancels nobody on the one that has come to its address', async () => {
      const { key, pid } = await logIn('after an SSLRequest', 'passthrough')
      bystander.stop()
      await stage.node1.restart()
      await stage.scene.waitUntilServing('node1')
      bystander = await Bystander.start()
      for (const way of ways) await cancel(way, 'passthrough', key)
      await waitForLog(`PID ${pid} in cancel request did not match any process`, ways.length)
    })
  })
}

function countInLog(line: string): number {
  return readFileSync(stage.node1.logFile, 'utf8').split(line).length - 1
}

async function waitForLog(line: string, count: number): Promise<void> {
  await waitFor(`${count} times in the server’s log: ${line}`, () => countInLog(line), {
    until: (seen) => seen === count,
  })
}
