import { describe, expect, it } from 'vitest'
import { TCP4, TCP4_V2, V2_LOCAL, V2_PROXY, version1, version2 } from '../protocol/proxy-header-bytes.ts'
import { cutAt, firstPacket } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { LOGIN } from './fake-server.ts'
import { type SessionRig, STARTUP, STARTUP_TIMEOUT_MS, useRigs } from './session-rig.ts'

const startRig = useRigs()

/** All who come from loopback have to begin with a header. */
async function startBehindLoadBalancer(): Promise<SessionRig> {
  const rig = await startRig({ awaitsProxyHeader: (peer) => peer === '127.0.0.1' })
  rig.decide({ primary: 'node1' })
  return rig
}

async function endsAs(rig: SessionRig, reason: string): Promise<void> {
  await rig.isEmpty()
  expect(rig.ended).toEqual({ [reason]: 1 })
}

describe('a session behind a load balancer', () => {
  it.each([
    ['version 1', TCP4],
    ['version 2', TCP4_V2],
  ])('is its client’s: the header goes no further, what is behind it does (%s)', async (_, header) => {
    const rig = await startBehindLoadBalancer()
    const client = rig.connect(header, STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(LOGIN)
    await client.got(LOGIN)

    const session = await rig.inPhase('relaying')
    expect([session.client, session.peer]).toEqual(['203.0.113.7', '127.0.0.1'])
  })

  it('may come in pieces', async () => {
    const rig = await startBehindLoadBalancer()
    const client = rig.connect()
    const pieces = cutAt(Buffer.concat([TCP4, STARTUP]), [1, 6, 20, TCP4.length - 1, TCP4.length + 3])
    for (const [index, piece] of pieces.entries()) {
      client.send(piece)
      const sent = pieces.slice(0, index + 1).reduce((sum, each) => sum + each.length, 0)
      await waitFor(`${sent} bytes to be taken`, () => rig.sessions[0]?.traffic.fromClient === sent, { intervalMs: 1 })
    }
    await (await rig.server('node1').connection()).got(STARTUP)
  })

  it('has the load balancer’s own address when it is a health check of its own', async () => {
    const rig = await startBehindLoadBalancer()
    const client = rig.connect(version2(V2_LOCAL, 0), STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    expect(rig.sessions[0]?.client).toBe('127.0.0.1')
    client.socket.destroy()
  })

  it('may end behind the header, or before it, without being anything special', async () => {
    const rig = await startBehindLoadBalancer()
    await rig.connect(version2(V2_LOCAL, 0)).socket.end()
    rig.connect().socket.end()
    await waitFor('both to be over', () => rig.ended['client-left-early'] === 2, { intervalMs: 2 })
  })

  it('is asked for TLS as any other', async () => {
    const rig = await startBehindLoadBalancer()
    const request = firstPacket(80_877_103)
    rig.connect(TCP4_V2, request)
    await (await rig.server('node1').connection()).got(request)
  })

  it.each<[string, Buffer]>([
    ['no header', STARTUP],
    ['a header of no known version', version2(0x31, 0)],
    ['a malformed line', version1('TCP4 203.0.113.7')],
    ['a line without an end', Buffer.alloc(200, 'PROXY UNKNOWN ')],
    ['a header that is too long', version2(V2_PROXY, 0, Buffer.alloc(5_000))],
  ])('that comes with %s is closed without a word', async (_, bytes) => {
    const rig = await startBehindLoadBalancer()
    const client = rig.connect(bytes, STARTUP)
    expect(await client.ended()).toHaveLength(0)
    await endsAs(rig, 'no-proxy-header')
    expect(rig.server('node1').connections).toHaveLength(0)
  })

  it('that is cut off in the header is closed without a word', async () => {
    const rig = await startBehindLoadBalancer()
    const client = rig.connect(TCP4.subarray(0, 20))
    await waitFor('the bytes', () => rig.sessions[0]?.traffic.fromClient === 20, { intervalMs: 2 })
    client.socket.end()
    expect(await client.ended()).toHaveLength(0)
    await endsAs(rig, 'no-proxy-header')
  })

  it('that is too slow with the header is closed without a word when its time is over', async () => {
    const rig = await startBehindLoadBalancer()
    const client = rig.connect(TCP4.subarray(0, 20))
    await waitFor('the bytes', () => rig.sessions[0]?.traffic.fromClient === 20, { intervalMs: 2 })
    rig.clock.advance(STARTUP_TIMEOUT_MS - 1)
    expect(rig.ended).toEqual({})
    rig.clock.advance(1)
    expect(await client.ended()).toHaveLength(0)
    await endsAs(rig, 'no-proxy-header')
  })

  it('has one time for the header and the startup packet together', async () => {
    const rig = await startBehindLoadBalancer()
    const client = rig.connect()
    await rig.inPhase('greeting')
    rig.clock.advance(STARTUP_TIMEOUT_MS - 1)
    client.send(TCP4)
    await waitFor('the client to be known', () => rig.sessions[0]?.client, { intervalMs: 2 })
    rig.clock.advance(1)
    expect(await client.ended()).toHaveLength(0)
    await endsAs(rig, 'startup-timeout')
  })
})

describe('a session of a peer that is no load balancer', () => {
  it.each([
    ['version 1', TCP4],
    ['version 2', TCP4_V2],
  ])('may not speak for others: a header is a malformed startup packet (%s)', async (_, header) => {
    const rig = await startRig({ awaitsProxyHeader: () => false })
    rig.decide({ primary: 'node1' })
    const { error } = await rig.connect(header, STARTUP).endedWith()
    expect(error).toBe('FATAL 08P01 invalid startup packet: length out of bounds')
    await endsAs(rig, 'malformed-startup')
    expect(rig.sessions[0]?.client).toBe('127.0.0.1')
    expect(rig.server('node1').connections).toHaveLength(0)
  })
})

describe('limits.max_sessions_per_address', () => {
  const of = (address: string): Buffer => version1(`TCP4 ${address} 192.0.2.1 1 2`)

  it('is told to the client beyond it, leaves others alone, and gives the place back', async () => {
    const rig = await startRig({ awaitsProxyHeader: () => true, settings: { sessionsPerAddressMax: 2 } })
    rig.decide({ primary: 'node1' })
    const first = rig.connect(of('203.0.113.7'), STARTUP)
    rig.connect(of('203.0.113.7'), STARTUP)
    await rig.inPhase('waiting', 1)
    await rig.inPhase('waiting', 2)
    const { error } = await rig.connect(of('203.0.113.7'), STARTUP).endedWith()
    expect(error).toBe('FATAL 53300 too many connections from this address')
    await waitFor('it to be counted', () => rig.ended['too-many-from-address'] === 1, { intervalMs: 2 })
    rig.connect(of('203.0.113.8'), STARTUP)
    await rig.inPhase('waiting', 4)

    first.socket.destroy()
    await waitFor('a place', () => rig.registry.clients.count('203.0.113.7') === 1, { intervalMs: 2 })
    rig.connect(of('203.0.113.7'), STARTUP)
    await rig.inPhase('waiting', 5)
  })

  it('is by the peer’s address where there is no load balancer, and counts a session once that asks for TLS first', async () => {
    const rig = await startRig({ tlsMode: 'off', settings: { sessionsPerAddressMax: 1 } })
    rig.decide({ primary: 'node1' })
    const client = rig.connect(firstPacket(80_877_103))
    await client.got(Buffer.from('N'))
    client.send(STARTUP)
    await rig.inPhase('waiting')
    expect(rig.registry.clients.count('127.0.0.1')).toBe(1)
    expect((await rig.connect(STARTUP).endedWith()).error).toBe('FATAL 53300 too many connections from this address')
  })

  it('counts a session once whose server declines TLS', async () => {
    const rig = await startRig({ settings: { sessionsPerAddressMax: 1 } })
    rig.decide({ primary: 'node1' })
    const request = firstPacket(80_877_103)
    const client = rig.connect(request)
    const server = await rig.server('node1').connection()
    await server.got(request)
    server.send(Buffer.from('N'))
    await client.got(Buffer.from('N'))
    client.send(STARTUP)
    await server.got(Buffer.concat([request, STARTUP]))
    expect(rig.registry.clients.count('127.0.0.1')).toBe(1)
    client.socket.destroy()
    await rig.isEmpty()
    expect(rig.registry.clients.count('127.0.0.1')).toBe(0)
  })

  it('does not keep a client from cancelling', async () => {
    const rig = await startRig({ settings: { sessionsPerAddressMax: 1 } })
    rig.decide({ primary: 'node1' })
    await rig.logIn('node1')
    const cancel = firstPacket(80_877_102, Buffer.alloc(8, 1))
    const client = rig.connect(cancel)
    const server = await rig.server('node1').connection(2)
    await server.got(cancel)
    server.end()
    expect(await client.ended()).toHaveLength(0)
    await waitFor('it to be over', () => rig.ended['cancel-request'] === 1, { intervalMs: 2 })
  })

  it('is no matter when it is off', async () => {
    const rig = await startRig({ settings: { sessionsPerAddressMax: 0 } })
    rig.decide({ primary: 'node1' })
    for (let number = 0; number < 5; number += 1) await rig.logIn('node1')
  })
})

describe('descriptors of sessions', () => {
  it('are one for the client and one for the server, and are given back', async () => {
    const rig = await startRig()
    rig.decide({ primary: 'node1' })
    await rig.logIn('node1')
    const { client, server } = await rig.logIn('node1')
    const waiting = rig.connect()
    await rig.inPhase('greeting', 3)
    expect(rig.registry.descriptorCount).toBe(5)
    client.socket.destroy()
    await server.closed()
    waiting.socket.destroy()
    await waitFor('one session', () => rig.registry.size === 1, { intervalMs: 2 })
    expect(rig.registry.descriptorCount).toBe(2)
    rig.decide({ primary: null, ending: ['node1'] })
    expect(rig.registry.descriptorCount).toBeLessThanOrEqual(1)
  })
})
