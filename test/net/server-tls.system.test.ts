/** TLS towards the node, for sessions whose own TLS ends here or that have none: libpq's modes, and servers that misbehave. */
import { createSecureContext } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServerTls } from '../../src/net/server-tls.ts'
import { firstPacket, int32, message } from '../protocol/wire-bytes.ts'
import { opensslAvailable } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { BACKEND_KEY, errorOf, LOGIN } from './fake-server.ts'
import { QUERY, type SessionRig, STARTUP, useRigs } from './session-rig.ts'
import { TlsClient } from './tls-client.ts'
import { type Identities, makeIdentities, terminate } from './tls-rig.ts'
import { startTlsServer, type TlsServer } from './tls-server.ts'

const SSL_REQUEST = firstPacket(80_877_103)
const CANCEL = firstPacket(80_877_102, BACKEND_KEY)
const YES = Buffer.from('S')
const NO = Buffer.from('N')
const CONNECT_TIMEOUT_MS = 2000

describe.skipIf(leftOut('TLS towards servers', opensslAvailable()))('a server that is asked for TLS', () => {
  let identities: Identities
  const servers: TlsServer[] = []
  const start = useRigs()

  beforeAll(() => {
    identities = makeIdentities()
  })
  afterAll(async () => {
    identities?.remove()
  })

  interface Stage {
    readonly rig: SessionRig
    readonly server: TlsServer
  }

  /** node1 is a server that answers so; node2 is a plain one behind the same listener. */
  async function open(
    sslmode: ServerTls['sslmode'],
    answer: Buffer | null,
    options: { readonly host?: string; readonly trusted?: Buffer } = {},
  ): Promise<Stage> {
    const { cert, key } = identities.server
    const server = await startTlsServer(answer, { cert, key })
    servers.push(server)
    const secureContext = createSecureContext({ ca: options.trusted ?? identities.authority.cert })
    const serverTls: ServerTls = { sslmode, context: () => secureContext }
    const rig = await start({
      termination: terminate(identities, { serverTls }),
      settings: { connectTimeoutMs: CONNECT_TIMEOUT_MS },
    })
    rig.addresses.set('node1', { host: options.host ?? '127.0.0.1', port: server.port })
    rig.decide({ primary: 'node1' })
    return { rig, server }
  }

  async function close(): Promise<void> {
    for (const server of servers.splice(0)) await server.close()
  }

  const modes = ['prefer', 'require', 'verify-ca', 'verify-full'] as const

  it.each(modes)('and agrees gets the session within it with %s', async (sslmode) => {
    const { rig, server } = await open(sslmode, YES, { host: 'localhost' })
    const client = (await TlsClient.connect(rig.port)).send(STARTUP)
    const connection = await server.connection()
    await connection.got(STARTUP)
    connection.send(LOGIN)
    await client.got(LOGIN)
    client.send(QUERY)
    await connection.got(Buffer.concat([STARTUP, QUERY]))

    expect(server.asked).toEqual([SSL_REQUEST.toString('hex')])
    rig.decide({ primary: 'node2', ending: ['node1'] })
    await connection.closed()
    expect(await client.ended()).toContain('E 57P01 terminating connection due to administrator command')
    await rig.isEmpty()
    await close()
  })

  it('and declines gets the session in plain with prefer', async () => {
    const { rig, server } = await open('prefer', NO)
    const client = (await TlsClient.connect(rig.port)).send(STARTUP)
    const connection = await server.connection()
    await connection.got(STARTUP)
    connection.send(LOGIN)
    await client.got(LOGIN)
    await close()
  })

  it.each(['require', 'verify-ca', 'verify-full'] as const)(
    'and declines gets none with %s, and is not asked again',
    async (sslmode) => {
      const { rig, server } = await open(sslmode, NO)
      const { error, detail } = await rig.connect(STARTUP).endedWith()

      expect(error).toBe(
        'FATAL 57P03 the database system is not accepting connections: no trusted connection to the node (no connection to the server)',
      )
      expect(detail).toBe(`node1 does not offer TLS, and server_sslmode is ${sslmode}`)
      await rig.isEmpty()
      expect([rig.ended, server.connectionCount()]).toEqual([{ 'server-tls-failed': 1 }, 1])
      await close()
    },
  )

  it.each([
    ['verify-ca', { trusted: 'stranger' }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['verify-full', { trusted: 'stranger' }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['verify-full', { host: '127.0.0.1' }, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const)('and shows a certificate that will not do gets none with %s: %j', async (sslmode, given, code) => {
    const trusted = 'trusted' in given ? identities.stranger.cert : identities.authority.cert
    const { rig } = await open(sslmode, YES, { host: 'host' in given ? given.host : 'localhost', trusted })
    const { error, detail } = await rig.connect(STARTUP).endedWith()

    expect(error).toMatch(/^FATAL 57P03 /)
    expect(detail).toBe(`node1 cannot be reached over TLS: ${code}`)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'server-tls-failed': 1 })
    await close()
  })

  it('by an address that is not in its certificate is good enough for verify-ca', async () => {
    const { rig, server } = await open('verify-ca', YES, { host: '127.0.0.1' })
    rig.connect(STARTUP)
    await (await server.connection()).got(STARTUP)
    await close()
  })

  it.each<[string, Buffer]>([
    ['bytes behind its S', Buffer.concat([YES, errorOf('XX000', 'injected')])],
    ['an error', errorOf('57P03', 'the database system is starting up')],
    ['nonsense', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ])('and answers with %s is left for another one, unseen', async (_, answer) => {
    const { rig } = await open('require', answer)
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    expect(rig.hints).toEqual(['node1 not-accepting'])
    expect(client.receivedBytes).toBe(0)
    await close()
  })

  it('and says nothing is left after the time for a connection', async () => {
    const { rig, server } = await open('require', null)
    rig.connect(STARTUP)
    await waitFor('the question', () => server.asked.length === 1, { intervalMs: 2 })
    await rig.inPhase('dialing')
    rig.clock.advance(CONNECT_TIMEOUT_MS)
    await rig.inPhase('held')
    expect(rig.hints).toEqual(['node1 not-accepting'])
    await close()
  })

  it('and breaks off, before its answer or in the handshake, is left for another one', async () => {
    const { rig, server } = await open('require', null)
    rig.connect(STARTUP)
    await waitFor('the question', () => server.asked.length === 1, { intervalMs: 2 })
    await server.close()
    await rig.inPhase('held')

    // It says S, and nothing more: the handshake stays without an answer until its end.
    const silent = await startTlsServer(null)
    rig.addresses.set('node1', { host: '127.0.0.1', port: silent.port })
    rig.decide({ primary: 'node1' })
    await waitFor('the question', () => silent.asked.length === 1, { intervalMs: 2 })
    silent.say(YES)
    await waitFor('the ClientHello', () => silent.asked.length === 2, { intervalMs: 2 })
    await silent.close()
    await rig.inPhase('held')
    servers.splice(0)
  })

  it('is given up at once when the client leaves, or the node is fenced, in the midst of it', async () => {
    const { rig, server } = await open('require', null)
    const client = rig.connect(STARTUP)
    await waitFor('the question', () => server.asked.length === 1, { intervalMs: 2 })
    client.socket.destroy()
    await rig.isEmpty()

    rig.connect(STARTUP)
    await waitFor('the question', () => server.asked.length === 2, { intervalMs: 2 })
    rig.decide({ primary: null, ending: ['node1'] })
    await rig.inPhase('held', 2)
    await close()
  })

  it('gets cancel requests within it, too', async () => {
    const { rig, server } = await open('require', YES)
    const client = rig.connect(CANCEL)
    const connection = await server.connection()
    await connection.got(CANCEL)
    connection.end()

    expect((await client.ended()).length).toBe(0)
    await rig.isEmpty()
    await close()
  })

  describe('and offers channel binding', () => {
    const sasl = (...mechanisms: readonly string[]) =>
      message('R', Buffer.concat([int32(10), Buffer.from(`${mechanisms.join('\0')}\0\0`)]))
    const OFFER = sasl('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256')

    async function offer(client: { readonly got: (bytes: Buffer) => Promise<void> }, stage: Stage, expected: Buffer) {
      const connection = await stage.server.connection()
      await connection.got(STARTUP)
      connection.send(OFFER)
      await client.got(expected)
    }

    it('has it taken out for plain clients, who could not take it and would call it an attack', async () => {
      const stage = await open('require', YES)
      await offer(stage.rig.connect(STARTUP), stage, sasl('SCRAM-SHA-256'))
      await close()
    })

    it('has it left in for clients within TLS, for the case that both show the same certificate', async () => {
      const stage = await open('require', YES)
      await offer((await TlsClient.connect(stage.rig.port)).send(STARTUP), stage, OFFER)
      await close()
    })
  })
})
