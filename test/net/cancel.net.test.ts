import { describe, expect, it } from 'vitest'
import { CANCEL_TIMEOUT_MS } from '../../src/net/cancel-router.ts'
import { firstPacket } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { BACKEND_KEY } from './fake-server.ts'
import { useRigs } from './session-rig.ts'

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

  it('finds no session that has ended: its key is forgotten', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const { client, server } = await rig.logIn('node2')
    client.socket.destroy()
    await server.closed()
    await rig.isEmpty()
    rig.connect(CANCEL)

    const told = await rig.server('node1').connection()
    await told.got(CANCEL)
    told.end()
    expect(rig.server('node2').connections.length).toBe(1)
  })
})
