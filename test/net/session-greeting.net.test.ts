import { describe, expect, it } from 'vitest'
import { firstPacket, int32, PROTOCOL_3_0 } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { errorOf, LOGIN } from './fake-server.ts'
import { HOLD_TIMEOUT_MS, STARTUP, STARTUP_TIMEOUT_MS, useRigs } from './session-rig.ts'

const SSL_REQUEST = firstPacket(80_877_103)
const GSS_REQUEST = firstPacket(80_877_104)
const YES = Buffer.from('S')
const NO = Buffer.from('N')
const CLIENT_HELLO = Buffer.from('1603010200010001fc0303', 'hex')
const TLS_BYTES = Buffer.from('16030100050102030405', 'hex')

const start = useRigs()

describe('an SSLRequest', () => {
  it('goes to the primary, and after its S bytes are bytes in both directions', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    server.send(YES)
    await client.got(YES)
    client.send(CLIENT_HELLO)
    await server.got(Buffer.concat([SSL_REQUEST, CLIENT_HELLO]))
    server.send(TLS_BYTES)
    await client.got(Buffer.concat([YES, TLS_BYTES]))

    await rig.inPhase('relaying')
  })

  it('that the server declines goes on in plain on the same connection', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    server.send(NO)
    await client.got(NO)
    client.send(STARTUP)
    await server.got(Buffer.concat([SSL_REQUEST, STARTUP]))
    server.send(LOGIN)
    await client.got(Buffer.concat([NO, LOGIN]))

    expect(rig.server('node1').connections.length).toBe(1)
  })

  it('that was declined by a node that is lost before the startup goes on elsewhere', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const first = await rig.server('node1').connection()
    await first.got(SSL_REQUEST)
    first.send(NO)
    await client.got(NO)
    rig.decide({ primary: 'node2', ending: ['node1'] })
    await first.closed()
    client.send(STARTUP)
    const second = await rig.server('node2').connection()
    await second.got(STARTUP)
    second.send(LOGIN)

    await client.got(Buffer.concat([NO, LOGIN]))
  })

  it('that was declined by a node that breaks before the startup goes on elsewhere', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const first = await rig.server('node1').connection()
    await first.got(SSL_REQUEST)
    first.send(NO)
    await client.got(NO)
    first.end()
    await rig.inPhase('greeting')
    rig.decide({ primary: 'node2' })
    client.send(STARTUP)

    await (await rig.server('node2').connection()).got(STARTUP)
  })

  it('that was declined by a node that is lost does not give the client for ever to go on', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    server.send(NO)
    await client.got(NO)
    rig.decide({ primary: 'node2', ending: ['node1'] })
    await rig.inPhase('greeting')
    rig.clock.advance(STARTUP_TIMEOUT_MS)

    expect(await client.ended()).toEqual(NO)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'startup-timeout': 1 })
  })

  it('that was declined gives the client its time to send a startup, and no more', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    server.send(NO)
    await client.got(NO)
    await rig.inPhase('greeting-again')
    rig.clock.advance(STARTUP_TIMEOUT_MS - 1)
    expect(client.hasEnded).toBe(false)
    rig.clock.advance(1)

    expect(await client.ended()).toEqual(NO)
    await server.closed()
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'startup-timeout': 1 })
  })

  it('with bytes behind it is ended, at once or while its answer is awaited', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    expect((await rig.connect(SSL_REQUEST, STARTUP).ended()).length).toBe(0)
    expect(rig.server('node1').connections.length).toBe(0)

    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    client.send(CLIENT_HELLO)
    expect((await client.ended()).length).toBe(0)
    await server.closed()
    await server.got(SSL_REQUEST)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'early-bytes': 2 })
  })

  it('to a server that puts bytes behind its S is not answered: another server is looked for', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    server.send(YES, errorOf('XX000', 'injected'))
    await rig.inPhase('held')

    expect(client.receivedBytes).toBe(0)
    await server.closed()
  })

  it("relays an ancient server's error as the answer", async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    const error = errorOf('0A000', 'unsupported frontend protocol 1234.5679')
    server.send(error)
    await client.got(error)
  })

  it('that waits in vain is closed without a word, which a client would take for the answer', async () => {
    const rig = await start()
    const client = rig.connect(SSL_REQUEST)
    await rig.inPhase('held')
    rig.clock.advance(HOLD_TIMEOUT_MS)

    expect((await client.ended()).length).toBe(0)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'hold-expired': 1 })
  })

  it('without TLS is declined by the proxy, before any server is asked', async () => {
    const rig = await start({ tlsMode: 'off' })
    const client = rig.connect(SSL_REQUEST)
    await client.got(NO)
    client.send(GSS_REQUEST)
    await client.got(Buffer.concat([NO, NO]))
    rig.decide({ primary: 'node1' })
    client.send(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(LOGIN)

    await client.got(Buffer.concat([NO, NO, LOGIN]))
  })
})

describe('direct TLS', () => {
  it('is forwarded to the primary', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(CLIENT_HELLO)
    const server = await rig.server('node1').connection()
    await server.got(CLIENT_HELLO)
    client.send(TLS_BYTES)
    await server.got(Buffer.concat([CLIENT_HELLO, TLS_BYTES]))
    server.send(TLS_BYTES)

    await client.got(TLS_BYTES)
    await rig.inPhase('relaying')
  })

  it('goes on elsewhere with all that the client has sent, when the server breaks off unseen', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(CLIENT_HELLO)
    const first = await rig.server('node1').connection()
    await first.got(CLIENT_HELLO)
    client.send(TLS_BYTES)
    await first.got(Buffer.concat([CLIENT_HELLO, TLS_BYTES]))
    first.reset()
    await rig.inPhase('held')
    rig.decide({ primary: 'node2' })

    await (await rig.server('node2').connection()).got(Buffer.concat([CLIENT_HELLO, TLS_BYTES]))
  })

  it('is closed on a listener without TLS', async () => {
    const rig = await start({ tlsMode: 'off' })
    expect((await rig.connect(CLIENT_HELLO).ended()).length).toBe(0)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'tls-not-offered': 1 })
  })
})

describe('a first packet', () => {
  it('that does not come in time ends the session, also when half of it is there', async () => {
    const rig = await start()
    const clients = [rig.connect(), rig.connect(STARTUP.subarray(0, 9))]
    await waitFor('both sessions', () => rig.registry.size === 2, { intervalMs: 2 })
    rig.clock.advance(STARTUP_TIMEOUT_MS - 1)
    expect(rig.registry.size).toBe(2)
    rig.clock.advance(1)

    for (const client of clients) expect((await client.ended()).length).toBe(0)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'startup-timeout': 2 })
  })

  it.each<[string, Buffer, string, string]>([
    ['is too large', int32(10_005), 'malformed-startup', 'FATAL 08P01 invalid startup packet: length out of bounds'],
    [
      'is HTTP',
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      'malformed-startup',
      'FATAL 08P01 invalid startup packet: length out of bounds',
    ],
    [
      'has no end',
      firstPacket(PROTOCOL_3_0, 'user\0app'),
      'malformed-startup',
      'FATAL 08P01 invalid startup packet: expected terminator as last byte',
    ],
    [
      'is of protocol 2',
      firstPacket(131_072, 'x'),
      'unsupported-protocol',
      'FATAL 0A000 unsupported frontend protocol 2.0: server supports 3.x',
    ],
    [
      'is of protocol 4',
      firstPacket(262_144, 'x'),
      'unsupported-protocol',
      'FATAL 0A000 unsupported frontend protocol 4.0: server supports 3.x',
    ],
  ])('that %s is refused in so many words', async (_, bytes, reason, expected) => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { before, error } = await rig.connect(bytes).endedWith()

    expect([before.length, error]).toEqual([0, expected])
    await rig.isEmpty()
    expect(rig.ended).toEqual({ [reason]: 1 })
    expect(rig.server('node1').connections.length).toBe(0)
  })

  it('is not needed of a client that leaves before', async () => {
    const rig = await start()
    const clients = [rig.connect(), rig.connect(STARTUP.subarray(0, 5))]
    await waitFor('both sessions', () => rig.registry.size === 2, { intervalMs: 2 })
    clients[0]?.socket.end()
    clients[1]?.socket.destroy()
    await waitFor('both to be over', () => rig.ended['client-left-early'] === 2, { intervalMs: 2 })

    expect(rig.registry.size).toBe(0)
  })

  it('of one session too many is refused as by a server that is full, until one has left', async () => {
    const rig = await start({ settings: { sessionsMax: 2 } })
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    await rig.logIn('node1')
    const { error } = await rig.connect(STARTUP).endedWith()
    expect(error).toBe('FATAL 53300 sorry, too many clients already')

    client.socket.destroy()
    await server.closed()
    await waitFor('room', () => rig.registry.size === 1, { intervalMs: 2 })
    await rig.logIn('node1')
  })
})
