import { describe, expect, it } from 'vitest'
import { CANCEL_TIMEOUT_MS } from '../../src/net/cancel-router.ts'
import { LINGER_MS } from '../../src/net/farewell.ts'
import { createSharedLookup } from '../../src/net/shared-lookup.ts'
import { firstPacket, int32, message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { AUTHENTICATION_OK, BACKEND_KEY, IN_HOT_STANDBY, KEY_DATA, READY } from './fake-server.ts'
import { STARTUP, useRigs } from './session-rig.ts'

const CANCEL_CODE = 80_877_102
const CANCEL = firstPacket(CANCEL_CODE, BACKEND_KEY)
const STRANGE_CANCEL = firstPacket(CANCEL_CODE, Buffer.alloc(260, 7))

const start = useRigs()

describe('a CancelRequest', () => {
  it('goes untouched to the node of the session that owns the key, though another is primary now', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    await rig.logIn('node2')
    const client = rig.connect(CANCEL)
    const server = await rig.server('node2').connection(2)
    await server.got(CANCEL)
    server.end()

    expect((await client.ended()).length).toBe(0)
    expect(rig.server('node1').connections.length).toBe(0)
    await waitFor('its end', () => rig.ended['cancel-request'] === 1, { intervalMs: 2 })
  })

  it('with a key that nobody knows goes to the primary', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const client = rig.connect(STRANGE_CANCEL)
    const server = await rig.server('node1').connection()
    await server.got(STRANGE_CANCEL)
    server.end()

    expect((await client.ended()).length).toBe(0)
    expect(rig.server('node2').connections.length).toBe(0)
  })

  it('is closed at once, without an answer, when there is nobody to tell', async () => {
    const rig = await start()

    expect((await rig.connect(CANCEL).ended()).length).toBe(0)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'cancel-request': 1 })
  })

  it('is closed without an answer when the node refuses', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    await rig.server('node1').close()

    expect((await rig.connect(CANCEL).ended()).length).toBe(0)
  })

  it('comes after a declined SSLRequest as well', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(firstPacket(80_877_103))
    const first = await rig.server('node1').connection()
    await first.got(firstPacket(80_877_103))
    first.send(Buffer.from('N'))
    await client.got(Buffer.from('N'))
    client.send(CANCEL)
    const second = await rig.server('node1').connection(2)
    await second.got(CANCEL)
    second.end()

    expect(await client.ended()).toEqual(Buffer.from('N'))
    await first.closed()
  })

  it('gives nothing of what the server says to the client', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(CANCEL)
    const server = await rig.server('node1').connection()
    await server.got(CANCEL)
    server.send(Buffer.from('never mind'))
    server.end()

    expect((await client.ended()).length).toBe(0)
  })

  it('is given up when a server does not close in time', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(CANCEL)
    const server = await rig.server('node1').connection()
    await server.got(CANCEL)
    rig.clock.advance(CANCEL_TIMEOUT_MS)

    await server.closed()
    expect((await client.ended()).length).toBe(0)
  })

  it('reaches the server though its client has left at once, as libpq does', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(CANCEL)
    await waitFor('the session', () => rig.registry.size === 1, { intervalMs: 1 })
    client.socket.end()
    const server = await rig.server('node1').connection()
    await server.got(CANCEL)
    await rig.isEmpty()
    server.end()
    await server.closed()
    await waitFor('the timer to be gone', () => rig.clock.pendingCount === 0, { intervalMs: 2 })
  })

  it('is not counted against the sessions that are allowed', async () => {
    const rig = await start({ settings: { sessionsMax: 1 } })
    rig.decide({ primary: 'node1' })
    await rig.logIn('node1')
    const client = rig.connect(CANCEL)
    const server = await rig.server('node1').connection(2)
    await server.got(CANCEL)
    server.end()

    expect((await client.ended()).length).toBe(0)
  })

  it('with a key of 256 bytes finds the session that got it', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const key = Buffer.concat([int32(4711), Buffer.alloc(256, 0xab)])
    await rig.logIn('node2', Buffer.concat([AUTHENTICATION_OK, message('K', key), READY]))
    rig.connect(firstPacket(CANCEL_CODE, key))
    const server = await rig.server('node2').connection(2)
    await server.got(firstPacket(CANCEL_CODE, key))
    server.end()

    expect(rig.server('node1').connections.length).toBe(0)
  })

  it('with an unknown key reaches the node whose sessions run on, while nobody is routed there', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    await rig.logIn('node1')
    rig.decide({ primary: null, silent: ['node1'], standbys: ['node2'] })
    const client = rig.connect(STRANGE_CANCEL)
    const server = await rig.server('node1').connection(2)
    await server.got(STRANGE_CANCEL)
    server.end()

    expect((await client.ended()).length).toBe(0)
    expect(rig.server('node2').connections.length).toBe(0)
  })

  it('lets its client go though that never closes, and hands on nothing of what it floods', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(CANCEL, Buffer.alloc(1024 * 1024, 'x'))
    const server = await rig.server('node1').connection()
    await server.got(CANCEL)
    server.end()
    await waitFor('the answer, which is the end', () => client.hasEnded || client.isClosed, { intervalMs: 2 })
    rig.clock.advance(LINGER_MS)

    await rig.isEmpty()
    expect(server.received).toEqual(CANCEL)
    expect(rig.ended).toEqual({ 'cancel-request': 1 })
  })
})

describe('the descriptors of CancelRequests', () => {
  it('are counted until the servers are done, though the clients have left', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const client = rig.connect(CANCEL)
    const servers = [await rig.server('node1').connection(), await rig.server('node2').connection()]
    for (const server of servers) await server.got(CANCEL)
    expect(rig.registry.descriptorCount).toBe(3)
    client.socket.destroy()
    await rig.isEmpty()
    expect(rig.registry.descriptorCount).toBe(2)
    servers[0]?.end()
    await waitFor('one to be given back', () => rig.registry.descriptorCount === 1, { intervalMs: 2 })
    rig.clock.advance(CANCEL_TIMEOUT_MS)
    await servers[1]?.closed()
    expect(rig.registry.descriptorCount).toBe(0)
  })

  it('are given back when the node cannot be reached', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    await rig.server('node1').close()
    await rig.connect(CANCEL).ended()
    await rig.isEmpty()

    expect(rig.registry.descriptorCount).toBe(0)
  })
})

describe('a CancelRequest that comes too late', () => {
  it('finds no session that has ended: its key is forgotten, and it goes wherever it might be for', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const { client, server } = await rig.logIn('node2')
    client.socket.destroy()
    await server.closed()
    await rig.isEmpty()
    rig.connect(CANCEL)

    for (const told of [await rig.server('node1').connection(), await rig.server('node2').connection(2)]) {
      await told.got(CANCEL)
      told.end()
    }
  })

  it('is not for whoever is on the node now: the connection of another session gets no byte of it', async () => {
    const waiting: (() => void)[] = []
    const lookup = createSharedLookup((_name, _options, answer) => {
      waiting.push(() => answer(null, [{ address: '127.0.0.1', family: 4 }]))
    })
    const rig = await start({ lookup })
    rig.decide({ primary: 'node1' })
    const gone = await rig.logIn('node1')
    rig.addresses.set('node1', { host: 'slow.example', port: rig.server('node1').port })
    const canceller = rig.connect(CANCEL)
    await waitFor('the cancel to be dialing', () => waiting.length === 1, { intervalMs: 2 })
    gone.client.socket.destroy()
    await gone.server.closed()
    rig.addresses.delete('node1')
    // The next one gets the very key, as it might from a server that was started again.
    const next = await rig.logIn('node1')
    for (const answer of waiting) answer()

    const told = await rig.server('node1').connection(3)
    await told.got(CANCEL)
    told.end()
    expect((await canceller.ended()).length).toBe(0)
    expect(next.server.received).toEqual(STARTUP)
    expect(next.client.hasEnded).toBe(false)
  })

  it('with the key of a server that was left unseen goes on by the key of the server that took the session', async () => {
    const rig = await start()
    const ownKey = Buffer.concat([int32(99), Buffer.from('other')])
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const left = await rig.server('node1').connection()
    await left.got(STARTUP)
    left.send(AUTHENTICATION_OK, IN_HOT_STANDBY, KEY_DATA, READY)
    await left.closed()
    rig.decide({ primary: 'node2', ending: ['node1'] })
    const login = Buffer.concat([AUTHENTICATION_OK, message('K', ownKey), READY])
    ;(await rig.server('node2').connection()).send(login)
    await client.got(login)
    rig.connect(firstPacket(CANCEL_CODE, ownKey))

    const told = await rig.server('node2').connection(2)
    await told.got(firstPacket(CANCEL_CODE, ownKey))
    told.end()
    expect(rig.server('node1').connections.length).toBe(1)
  })

  it('is not told to a node that was fenced: all its sessions are over', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const { client } = await rig.logIn('node1')
    rig.decide({ primary: null, fenced: ['node1'], standbys: ['node2'] })
    await client.ended()

    expect((await rig.connect(CANCEL).ended()).length).toBe(0)
    expect(rig.server('node1').connections.length).toBe(1)
    expect(rig.server('node2').connections.length).toBe(0)
  })
})
