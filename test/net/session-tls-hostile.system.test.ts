/**
 * What hostile and broken clients make of TLS that ends here: each form has its answer, its close reason and its
 * counter, and a neighbour loses nothing.
 */
import { connect as connectTcp, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CloseReasonKind } from '../../src/session/close-reason.ts'
import { firstPacket } from '../protocol/wire-bytes.ts'
import { opensslAvailable } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { QUERY, type SessionRig, STARTUP, STARTUP_TIMEOUT_MS, useRigs } from './session-rig.ts'
import { TlsClient } from './tls-client.ts'
import { expectUnharmed, type Identities, logIn, makeIdentities, terminate } from './tls-rig.ts'

const SSL_REQUEST = firstPacket(80_877_103)
/** As much of a ClientHello as a parser needs to wait for the rest: 512 bytes are announced. */
const CLIENT_HELLO = Buffer.from('1603010200010001fc0303', 'hex')
const ALERT = 0x15

/** What came up to the end, whoever made it. */
async function heardUntilEnd(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  let isOver = false
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.on('error', () => undefined)
  socket.on('end', () => {
    isOver = true
  })
  socket.on('close', () => {
    isOver = true
  })
  await waitFor('the end', () => isOver, { intervalMs: 2 })
  socket.destroy()
  return Buffer.concat(pieces)
}

describe.skipIf(leftOut('hostile clients of TLS', opensslAvailable()))('TLS that ends here', () => {
  let identities: Identities
  const start = useRigs()

  beforeAll(() => {
    identities = makeIdentities()
  })
  afterAll(() => identities?.remove())

  /** A rig with a plain session that moves bytes all the while; afterwards exactly this has ended. */
  async function beside(
    expected: Partial<Record<CloseReasonKind, number>>,
    attack: (rig: SessionRig) => Promise<void>,
  ): Promise<void> {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const neighbour = await rig.logIn('node1')
    await expectUnharmed(neighbour, async () => {
      await attack(rig)
      await waitFor('the others to be gone', () => rig.registry.size === 1, { intervalMs: 2 })
    })
    expect(rig.ended).toEqual(expected)
  }

  const tcp = (rig: SessionRig): Socket => connectTcp({ host: '127.0.0.1', port: rig.port, allowHalfOpen: true })

  it.each<[string, Buffer]>([
    ['a StartupMessage', STARTUP],
    ['a ClientHello', CLIENT_HELLO],
    ['a single byte', Buffer.of(0x16)],
  ])('takes no bytes behind an SSLRequest: %s in one segment with it ends the session', async (_, early) => {
    await beside({ 'early-bytes': 1 }, async (rig) => {
      const socket = tcp(rig)
      socket.write(Buffer.concat([SSL_REQUEST, early]))
      expect(await heardUntilEnd(socket)).toHaveLength(0)
    })
  })

  it.each<[string, Buffer]>([
    ['plain PostgreSQL', STARTUP],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['noise', Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 197) % 251))],
    ['a record longer than any', Buffer.from(`160303ffff${'00'.repeat(70_000)}`, 'hex')],
    ['a handshake message longer than any', Buffer.from(`1603034000010fffff${'00'.repeat(16_380)}`, 'hex')],
    ['encrypted data before there is a key', Buffer.from('1703030010000102030405060708090a0b0c0d0e0f', 'hex')],
    ['an alert', Buffer.from('15030300020228', 'hex')],
    [
      'SSL 2.0',
      Buffer.from(`802e0100020015000000100100800200800300800400800500800600400700c0${'aa'.repeat(16)}`, 'hex'),
    ],
  ])('ends what is no handshake after its S: %s', async (_, bytes) => {
    await beside({ 'tls-handshake-failed': 1 }, async (rig) => {
      const socket = tcp(rig)
      socket.write(SSL_REQUEST)
      await new Promise((resolve) => socket.once('data', resolve))
      socket.write(bytes)
      const heard = await heardUntilEnd(socket)
      // An alert, or nothing: never a word of PostgreSQL's into what should have become TLS.
      expect([undefined, ALERT]).toContain(heard[0])
    })
  })

  it.each(['TLSv1', 'TLSv1.1'] as const)('does not speak %s, and says so in an alert', async (version) => {
    await beside({ 'tls-handshake-failed': 1 }, async (rig) => {
      const old = { minVersion: version, maxVersion: version, ciphers: 'ALL:@SECLEVEL=0' }
      const client = await TlsClient.connect(rig.port, old)
      await client.ended()
      expect(client.error).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
    })
  })

  it('does not go on with direct TLS that does not say what for', async () => {
    await beside({ 'tls-handshake-failed': 2 }, async (rig) => {
      const silent = TlsClient.direct(rig.port).send(STARTUP)
      expect(await silent.ended()).toEqual([])

      const other = TlsClient.direct(rig.port, { ALPNProtocols: ['http/1.1'] })
      expect(await other.ended()).toEqual([])
      expect(other.error).toBe('ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
      expect(rig.server('node1').connections).toHaveLength(1)
    })
  })

  it('renegotiates nothing: the handshake of a session is its only one', async () => {
    await beside({ 'client-lost': 1 }, async (rig) => {
      const client = await TlsClient.connect(rig.port, { maxVersion: 'TLSv1.2' })
      await logIn(rig, client, 2)
      const answer = await new Promise<Error | null>((resolve) => {
        client.socket.renegotiate({}, resolve)
        client.socket.once('error', resolve)
      })
      expect(answer).toMatchObject({ code: 'ERR_SSL_NO_RENEGOTIATION' })
      client.socket.destroy()
      await rig
        .server('node1')
        .connection(2)
        .then((server) => server.closed())
    })
  })

  it('drops the server at once when the stream breaks inside', async () => {
    await beside({ 'client-lost': 1 }, async (rig) => {
      const socket = tcp(rig)
      const client = await TlsClient.over(socket)
      const server = await logIn(rig, client, 2)
      // Under TLS: bytes that are no record.
      socket.write('garbage, garbage, garbage')
      await server.closed()
      await server.got(STARTUP)
      client.socket.destroy()
    })
  })

  it('gives a handshake no more than the time for a startup packet, asked for or not, begun or not', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const sockets = [
      rig.connect(SSL_REQUEST),
      rig.connect(SSL_REQUEST),
      rig.connect(CLIENT_HELLO),
      rig.connect(CLIENT_HELLO),
    ]
    for (const socket of sockets.slice(0, 2)) await socket.got(Buffer.from('S'))
    sockets[1]?.send(CLIENT_HELLO)
    // A byte now and then buys no time.
    sockets[3]?.send(Buffer.of(0))
    const done = await TlsClient.connect(rig.port)
    await waitFor('the handshake that is done', () => done.socket.encrypted && done.socket.getProtocol() !== null)
    await waitFor('five sessions', () => rig.registry.size === 5, { intervalMs: 2 })
    rig.clock.advance(STARTUP_TIMEOUT_MS - 1)
    expect(rig.registry.size).toBe(5)
    rig.clock.advance(1)

    for (const socket of sockets) await socket.ended()
    await done.ended()
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'startup-timeout': 5 })
  })

  it('keeps nothing of a client that leaves half-way', async () => {
    await beside({ 'client-left-early': 3 }, async (rig) => {
      const asked = rig.connect(SSL_REQUEST)
      await asked.got(Buffer.from('S'))
      asked.socket.end()
      const begun = rig.connect(CLIENT_HELLO)
      await waitFor('it to be there', () => rig.sessions.length === 3)
      begun.socket.end()
      const done = await TlsClient.connect(rig.port)
      await new Promise((resolve) => done.socket.once('secureConnect', resolve))
      done.socket.end()
    })
  })

  it('stops with handshakes under way, which are told nothing', async () => {
    const rig = await start({ termination: terminate(identities) })
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    await client.got(Buffer.from('S'))
    for (const session of rig.registry.all()) session.stop()

    expect(await client.ended()).toEqual(Buffer.from('S'))
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'shutting-down': 1 })
  })

  it('relays no query that was sent before the login was over as if it were part of it', async () => {
    await beside({ 'client-left-early': 1 }, async (rig) => {
      const client = (await TlsClient.connect(rig.port)).send(STARTUP, QUERY)
      const server = await rig.server('node1').connection(2)
      await server.got(Buffer.concat([STARTUP, QUERY]))
      client.socket.destroy()
      await server.closed()
    })
  })
})
