import { describe, expect, it } from 'vitest'
import { firstPacket, message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { LOGIN, PASSWORD_REQUEST } from './fake-server.ts'
import { QUERY, STARTUP, useRigs } from './session-rig.ts'

const ADMINISTRATOR = 'FATAL 57P01 terminating connection due to administrator command'
const ROW = message('D', Buffer.alloc(2000, 'x'))
const SSL_REQUEST = firstPacket(80_877_103)

const start = useRigs()

describe('a decision that leaves a session without its node', () => {
  it('ends it at a message boundary with 57P01, then FIN, and drops the server at once', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    expect(rig.decide({ primary: 'node2', ending: ['node1'] })).toBe(1)
    await server.closed()

    const { before, error, detail } = await client.endedWith()
    expect(before).toEqual(LOGIN)
    expect(error).toBe(ADMINISTRATOR)
    expect(detail).toBe('pgha-proxy: node1 is no longer primary (now node2)')
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'node-not-routable': 1 })
  })

  it('ends it in the middle of a message with FIN alone', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    const half = ROW.subarray(0, 700)
    server.send(half)
    await client.got(Buffer.concat([LOGIN, half]))
    rig.decide({ primary: null, ending: ['node1'] })

    expect(await client.ended()).toEqual(Buffer.concat([LOGIN, half]))
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'node-not-routable': 1 })
  })

  it('lets nothing that the old server still says reach the client', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    client.send(QUERY)
    await server.got(Buffer.concat([STARTUP, QUERY]))
    // Said before the decision, but not yet read when it comes.
    server.send(message('C', 'INSERT 0 1\0'))
    rig.decide({ primary: 'node2', ending: ['node1'] })
    server.send(message('C', 'INSERT 0 1\0'))

    const { before } = await client.endedWith()
    expect(before).toEqual(LOGIN)
  })

  it('resets the connection to the server: what it has not taken yet is not delivered behind its fence', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    server.socket.pause()
    const sent = 32 * 1024 * 1024
    client.send(Buffer.alloc(sent))
    let relayed = 0
    const isStuck = (): boolean => {
      const before = relayed
      relayed = rig.registry.figures.traffic.fromClient
      return relayed > STARTUP.length && relayed === before
    }
    await waitFor('all queues on the way to be full', isStuck, { intervalMs: 50 })
    rig.decide({ primary: 'node2', ending: ['node1'] })
    server.socket.resume()
    await waitFor('the end', () => server.hasEnded || server.isClosed, { intervalMs: 2 })

    // A FIN would have come behind all that the kernel had been given.
    expect(server.hasEnded).toBe(false)
    expect(server.receivedBytes).toBeLessThan(sent)
  })

  it('ends it during authentication with 57P03', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(PASSWORD_REQUEST)
    await client.got(PASSWORD_REQUEST)
    await rig.inPhase('authenticating')
    expect(rig.decide({ primary: 'node2', ending: ['node1'] })).toBe(1)

    const { before, error, detail } = await client.endedWith()
    expect(before).toEqual(PASSWORD_REQUEST)
    expect(error).toMatch(/^FATAL 57P03 /)
    expect(detail).toBe('node1 is standby')
    await server.closed()
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'login-interrupted': 1 })
  })

  it('moves it while it is dialing, unseen, and counts it as moved, not ended', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    await waitFor('the dial', () => rig.registry.countOn('node1') === 1, { intervalMs: 1 })
    expect(rig.decide({ primary: 'node2', ending: ['node1'] })).toBe(0)
    const server = await rig.server('node2').connection()
    await server.got(STARTUP)
    server.send(LOGIN)

    await client.got(LOGIN)
    expect(rig.registry.countOn('node1')).toBe(0)
  })

  it('ends a tunnel that cannot be read with FIN alone', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(SSL_REQUEST)
    const server = await rig.server('node1').connection()
    await server.got(SSL_REQUEST)
    server.send(Buffer.from('S'))
    await client.got(Buffer.from('S'))
    rig.decide({ primary: 'node2', ending: ['node1'] })

    expect(await client.ended()).toEqual(Buffer.from('S'))
    await server.closed()
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'node-not-routable': 1 })
  })

  it('ends it when its node is no longer among the nodes', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client } = await rig.logIn('node1')
    rig.decide({ primary: 'node2' })

    expect((await client.endedWith()).error).toBe(ADMINISTRATOR)
  })

  it('routes nobody to the new primary before the last session of the old one was told', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    for (let count = 0; count < 3; count += 1) await rig.logIn('node1')
    const moving = rig.connect(STARTUP)
    await (await rig.server('node1').connection(4)).got(STARTUP)
    const told: number[] = []
    const seek = rig.admission.seek.bind(rig.admission)
    rig.admission.seek = (applicant) => {
      const answer = seek(applicant)
      told.push(rig.sessions.filter((session) => session.phase === 'lingering').length)
      expect(answer.kind).toBe('hold')
      return answer
    }
    rig.decide({ primary: 'node2', ending: ['node1'] })

    // It sought a node while others were still on theirs, and was dialed for only when all had been told.
    expect(told.length).toBe(1)
    expect(rig.sessions.filter((session) => session.phase === 'lingering').length).toBe(3)
    ;(await rig.server('node2').connection()).send(LOGIN)
    await moving.got(LOGIN)
  })

  it('closes the socket of a client that does not take its last words, after a while', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client } = await rig.logIn('node1')
    rig.decide({ primary: 'node2', ending: ['node1'] })
    await waitFor('FIN', () => client.hasEnded, { intervalMs: 2 })
    expect(rig.registry.size).toBe(1)
    rig.clock.advance(1000)
    await rig.isEmpty()
  })

  it('takes no more of what a client sends that has been told', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    rig.decide({ primary: 'node2', ending: ['node1'] })
    client.send(QUERY)

    expect((await client.endedWith()).error).toBe(ADMINISTRATOR)
    await server.got(STARTUP)
  })
})

describe('a decision that leaves a session its node', () => {
  it('keeps a running session while the primary is merely silent', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    expect(rig.decide({ primary: null, silent: ['node1'] })).toBe(0)
    server.send(ROW)

    await client.got(Buffer.concat([LOGIN, ROW]))
  })

  it('keeps a read session on a standby that is promoted, and counts it as one that may write from then on', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const { client } = await rig.logIn('node2')
    expect(rig.decide({ primary: 'node2' })).toBe(0)
    expect(client.hasEnded).toBe(false)
    expect(rig.decide({ primary: 'node1', ending: ['node2'] })).toBe(1)

    expect((await client.endedWith()).error).toBe(ADMINISTRATOR)
  })

  it('ends a read session on a standby that is promoted when that is wanted', async () => {
    const rig = await start({ request: { route: 'standby' }, onPromotion: 'end' })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const { client } = await rig.logIn('node2')
    expect(rig.decide({ primary: 'node2' })).toBe(1)

    expect((await client.endedWith()).error).toBe(ADMINISTRATOR)
  })

  it('keeps a read session when its standby lags or is out of sight, and ends it when it is fenced', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const { client } = await rig.logIn('node2')
    expect(rig.decide({ primary: 'node1', unreadable: ['node2'] })).toBe(0)
    expect(rig.decide({ primary: 'node1', fenced: ['node2'] })).toBe(1)

    expect((await client.endedWith()).error).toBe(ADMINISTRATOR)
  })

  it('keeps a session of a standby listener that fell back to the primary, until that is one no more', async () => {
    const rig = await start({ request: { route: 'standby', fallback: 'primary' } })
    rig.decide({ primary: 'node1' })
    const { client } = await rig.logIn('node1')
    expect(rig.decide({ primary: 'node1', standbys: ['node2'] })).toBe(0)
    expect(rig.decide({ primary: 'node2', ending: ['node1'] })).toBe(1)

    expect((await client.endedWith()).error).toBe(ADMINISTRATOR)
  })
})

describe('the end of the proxy', () => {
  it("tells running sessions in the words of a server's shutdown, and those who are not there yet in its other words", async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    const greeting = rig.connect()
    await waitFor('the second session', () => rig.sessions.length === 2, { intervalMs: 2 })
    for (const session of rig.registry.all()) session.stop()

    const { error, detail } = await client.endedWith()
    expect([error, detail]).toEqual([ADMINISTRATOR, 'pgha-proxy is stopping'])
    expect((await greeting.endedWith()).error).toBe('FATAL 57P03 the database system is shutting down')
    await server.closed()
    await rig.isEmpty()
    await rig.registry.whenEmpty()
    expect(rig.ended).toEqual({ 'proxy-stopping': 1, 'shutting-down': 1 })
  })

  it('spares running sessions while only those who wait are stopped', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    for (const session of rig.registry.all()) session.stopIfWaiting()
    server.send(ROW)

    await client.got(Buffer.concat([LOGIN, ROW]))
  })
})
