/** Sessions whose TLS ends here: the handshake, and a stream inside that is as readable as a plain one. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { firstPacket, message, parameters } from '../protocol/wire-bytes.ts'
import { opensslAvailable } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { BACKEND_KEY, LOGIN, STARTING_UP } from './fake-server.ts'
import { QUERY, STARTUP, useRigs } from './session-rig.ts'
import { TlsClient } from './tls-client.ts'
import { type Identities, logIn, makeIdentities, terminate } from './tls-rig.ts'

const SSL_REQUEST = firstPacket(80_877_103)
const GSS_REQUEST = firstPacket(80_877_104)
const CANCEL = firstPacket(80_877_102, BACKEND_KEY)
const ALPN = { ALPNProtocols: ['postgresql'] }
const ROW = message('D', Buffer.alloc(2000, 'x'))

describe.skipIf(leftOut('TLS that ends at the proxy', opensslAvailable()))('TLS that ends here', () => {
  let identities: Identities
  const start = useRigs()

  beforeAll(() => {
    identities = makeIdentities()
  })
  afterAll(() => identities?.remove())

  it('is offered at once, also while there is no primary: the session is held inside it', async () => {
    const rig = await start({ termination: terminate(identities) })
    const client = await TlsClient.connect(rig.port)
    client.send(STARTUP)
    await rig.inPhase('held')
    expect(client.socket.encrypted).toBe(true)

    rig.decide({ primary: 'node1' })
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(LOGIN)
    await client.got(LOGIN)
    client.send(QUERY)
    await server.got(Buffer.concat([STARTUP, QUERY]))
    server.send(ROW)
    await client.got(Buffer.concat([LOGIN, ROW]))
  })

  it('may be begun without asking when ALPN says what for', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = TlsClient.direct(rig.port, ALPN)
    await logIn(rig, client)

    expect(client.socket.alpnProtocol).toBe('postgresql')
  })

  it('may be begun after GSSAPI was declined, and left alone after that', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = rig.connect(GSS_REQUEST)
    await client.got(Buffer.from('N'))
    client.send(SSL_REQUEST)
    await client.got(Buffer.from('NS'))

    const plain = rig.connect(GSS_REQUEST)
    await plain.got(Buffer.from('N'))
    plain.send(STARTUP)
    await (await rig.server('node1').connection()).got(STARTUP)
  })

  it('is not forced upon plain clients', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    await rig.logIn('node1')
  })

  it('is forced upon them with require, in words that say so, but not upon a CancelRequest', async () => {
    const rig = await start({ termination: terminate(identities, { requiresTls: true }) })
    rig.decide({ primary: 'node1' })
    const { error } = await rig.connect(STARTUP).endedWith()
    expect(error).toBe('FATAL 28000 encryption is required: connect with TLS')

    rig.connect(CANCEL)
    const server = await rig.server('node1').connection()
    await server.got(CANCEL)
    server.end()
    await logIn(rig, await TlsClient.connect(rig.port), 2)
    expect(rig.ended).toMatchObject({ 'tls-required': 1 })
  })

  it('lets a fenced session be told so between two messages', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = await TlsClient.connect(rig.port)
    const server = await logIn(rig, client)
    server.send(ROW)
    await client.got(Buffer.concat([LOGIN, ROW]))
    expect(rig.decide({ primary: 'node2', ending: ['node1'] })).toBe(1)
    await server.closed()

    expect((await client.ended()).slice(-2)).toEqual([
      'D',
      'E 57P01 terminating connection due to administrator command',
    ])
    await rig.isEmpty()
    expect([rig.ended, client.error]).toEqual([{ 'node-not-routable': 1 }, null])
  })

  it('ends in good order where words would fall into a message', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = await TlsClient.connect(rig.port)
    const server = await logIn(rig, client)
    const half = ROW.subarray(0, 700)
    server.send(half)
    await client.got(Buffer.concat([LOGIN, half]))
    rig.decide({ primary: null, ending: ['node1'] })
    await client.ended()

    expect([client.received.equals(Buffer.concat([LOGIN, half])), client.error]).toEqual([true, null])
  })

  it('lets a login go elsewhere unseen', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = (await TlsClient.connect(rig.port)).send(STARTUP)
    const first = await rig.server('node1').connection()
    await first.got(STARTUP)
    first.send(STARTING_UP)
    await rig.inPhase('held')
    rig.decide({ primary: 'node2' })
    const second = await rig.server('node2').connection()
    await second.got(STARTUP)
    second.send(LOGIN)

    await client.got(LOGIN)
  })

  it('takes a CancelRequest, and hands it to the node of the session whose key it has', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    await logIn(rig, await TlsClient.connect(rig.port))
    for (const [index, connect] of [
      () => TlsClient.connect(rig.port),
      () => Promise.resolve(TlsClient.direct(rig.port, ALPN)),
    ].entries()) {
      const client = (await connect()).send(CANCEL)
      const server = await rig.server('node1').connection(index + 2)
      await server.got(CANCEL)
      server.end()
      expect(await client.ended()).toEqual([])
    }
    await waitFor('both to be counted', () => rig.ended['cancel-request'] === 2, { intervalMs: 2 })
  })

  it.each<[string, Buffer, string]>([
    ['protocol 2.0', firstPacket(131_072, 'x'), 'E 0A000 unsupported frontend protocol 2.0: server supports 3.x'],
    ['protocol 4.0', firstPacket(262_144, 'x'), 'E 0A000 unsupported frontend protocol 4.0: server supports 3.x'],
    ['another SSLRequest', SSL_REQUEST, 'E 08P01 invalid startup packet: SSLRequest within TLS'],
    ['a GSSENCRequest', GSS_REQUEST, 'E 08P01 invalid startup packet: GSSENCRequest within TLS'],
    ['too long a packet', Buffer.from('ffffffff', 'hex'), 'E 08P01 invalid startup packet: length out of bounds'],
  ])('refuses %s inside it as outside', async (_, bytes, expected) => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    expect(await (await TlsClient.connect(rig.port)).send(bytes).ended()).toEqual([expected])
    expect(await TlsClient.direct(rig.port, ALPN).send(bytes).ended()).toEqual([expected])
    await rig.isEmpty()
    expect(rig.server('node1').connections.length).toBe(0)
  })

  it.each([
    ['3.1', 196_609],
    ['3.2', 196_610],
    ['3.9999', 206_607],
  ])('hands on protocol %s and options of the future as they are', async (_, version) => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const startup = firstPacket(version, parameters(['user', 'app'], ['_pq_.future', 'x']))
    await TlsClient.connect(rig.port).then((client) => client.send(startup))

    await (await rig.server('node1').connection()).got(startup)
  })

  it('passes a half-close on in either direction', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = await TlsClient.connect(rig.port)
    const server = await logIn(rig, client)
    client.socket.end(QUERY)
    await waitFor('FIN', () => server.hasEnded, { intervalMs: 2 })
    server.send(ROW)
    await client.got(Buffer.concat([LOGIN, ROW]))
    server.end()

    await waitFor('the end', () => client.isOver, { intervalMs: 2 })
    await rig.isEmpty()
    expect([rig.ended, client.error]).toEqual([{ finished: 1 }, null])
  })

  it('carries much in both directions at once, without a byte lost', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = await TlsClient.connect(rig.port)
    const server = await logIn(rig, client)
    const much = message('D', Buffer.alloc(8 * 1024 * 1024, 'abcdefghijklmnopqrstuvwxyz0123456789'))
    client.send(much)
    server.send(much)

    await client.got(Buffer.concat([LOGIN, much]))
    await server.got(Buffer.concat([STARTUP, much]))
  })

  it('holds the server back when the client reads nothing', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = await TlsClient.connect(rig.port)
    const server = await logIn(rig, client)
    client.socket.pause()
    const pieces = Array.from({ length: 32 }, (_, index) => message('D', Buffer.alloc(1024 * 1024, index)))
    server.send(...pieces)
    let last = -1
    await waitFor(
      'the server to be held back',
      () => {
        const left = server.socket.writableLength
        const isStuck = left === last
        last = left
        return isStuck
      },
      { intervalMs: 200 },
    )
    // What the kernel takes on loopback, and what TLS and the relay keep, is far below half of it.
    expect(server.socket.writableLength).toBeGreaterThan(16 * 1024 * 1024)
    client.socket.resume()
    await client.got(Buffer.concat([LOGIN, ...pieces]))
  })

  it('can be TLS 1.3 and nothing older', async () => {
    const rig = await start({ termination: terminate(identities, { minVersion: 'TLSv1.3' }) })
    rig.decide({ primary: 'node1' })
    const client = await TlsClient.connect(rig.port)
    await logIn(rig, client)
    expect(client.socket.getProtocol()).toBe('TLSv1.3')

    const old = await TlsClient.connect(rig.port, { maxVersion: 'TLSv1.2' })
    await old.ended()
    expect(old.error).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
  })

  describe('with a client CA', () => {
    const strict = () => terminate(identities, { requiresTls: true, clientCa: identities.authority.cert })

    it('lets in whoever has a certificate of it', async () => {
      const rig = await start({ termination: strict() })
      rig.decide({ primary: 'node1' })
      const { cert, key } = identities.client
      await logIn(rig, await TlsClient.connect(rig.port, { cert, key }))
    })

    it.each([
      ['none', () => ({})],
      ['another authority’s', () => ({ cert: identities.strangersClient.cert, key: identities.strangersClient.key })],
    ])('refuses a client with %s in PostgreSQL’s words', async (_, own) => {
      const rig = await start({ termination: strict() })
      rig.decide({ primary: 'node1' })
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
        const client = (await TlsClient.connect(rig.port, { ...own(), maxVersion })).send(STARTUP)
        expect(await client.ended()).toEqual(['E 28000 connection requires a valid client certificate'])
      }
      await rig.isEmpty()
      expect(rig.ended).toEqual({ 'client-certificate': 2 })
      expect(rig.server('node1').connections.length).toBe(0)
    })
  })
})
