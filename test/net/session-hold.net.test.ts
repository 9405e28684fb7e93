import { describe, expect, it } from 'vitest'
import { firstPacket } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { LOGIN } from './fake-server.ts'
import { HOLD_TIMEOUT_MS, STARTUP, useRigs } from './session-rig.ts'

const NOT_ACCEPTING = 'FATAL 57P03 the database system is not accepting connections:'

const SSL_REQUEST_CODE = 80_877_103

const start = useRigs()

describe('a held session', () => {
  it('goes on by itself when a primary is proven', async () => {
    const rig = await start()
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    rig.clock.advance(HOLD_TIMEOUT_MS - 1000)
    rig.decide({ primary: 'node1' })
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(LOGIN)

    await client.got(LOGIN)
  })

  it('is told why when its time is over', async () => {
    const rig = await start()
    rig.decide({ primary: null, reason: 'node1, primary on timeline 3, does not answer' })
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    rig.clock.advance(HOLD_TIMEOUT_MS - 1)
    expect(client.hasEnded).toBe(false)
    rig.clock.advance(1)

    const { error, detail } = await client.endedWith()
    expect(error).toBe(`${NOT_ACCEPTING} no primary available (no connection to the server)`)
    expect(detail).toBe('node1, primary on timeline 3, does not answer; waited 30 s')
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'hold-expired': 1 })
    expect(rig.admission.heldCount).toBe(0)
  })

  it('on a standby listener is not told of a primary when its time is over', async () => {
    const rig = await start({ request: { route: 'standby' } })
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    rig.clock.advance(HOLD_TIMEOUT_MS)

    const { error } = await client.endedWith()
    expect(error).toBe(`${NOT_ACCEPTING} no standby available (no connection to the server)`)
  })

  it('is closed without a byte when its time is over and it asked for TLS: plain words would not be read', async () => {
    const rig = await start()
    const client = rig.connect(firstPacket(SSL_REQUEST_CODE))
    await rig.inPhase('held')
    rig.clock.advance(HOLD_TIMEOUT_MS)
    await waitFor('the connection to be closed', () => client.hasEnded, { intervalMs: 2 })
    expect(client.receivedBytes).toBe(0)
    client.socket.end()
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'hold-expired': 1 })
  })

  it('frees its place when its client leaves', async () => {
    const rig = await start({ admission: { holdSessionsMax: 1 } })
    const first = rig.connect(STARTUP)
    await rig.inPhase('held')
    const { error } = await rig.connect(STARTUP).endedWith()
    expect(error).toBe(`${NOT_ACCEPTING} connection hold queue is full (no connection to the server)`)

    first.socket.destroy()
    await waitFor('the place to be free', () => rig.admission.heldCount === 0, { intervalMs: 2 })
    rig.connect(STARTUP)
    await waitFor('the place to be taken', () => rig.admission.heldCount === 1, { intervalMs: 2 })
    expect(rig.ended).toEqual({ 'hold-queue-full': 1, 'client-left-early': 1 })
  })

  it('is not routed when its client has left in the same moment', async () => {
    const rig = await start()
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    client.socket.resetAndDestroy()
    await rig.isEmpty()
    rig.decide({ primary: 'node1' })

    expect(rig.server('node1').connections.length).toBe(0)
    expect(rig.admission.totals).toEqual({ held: 1, released: 0 })
  })

  it('is routed in the order in which it came', async () => {
    const rig = await start()
    for (let number = 1; number <= 5; number += 1) {
      rig.connect(STARTUP, Buffer.of(number))
      await rig.inPhase('held', number)
    }
    rig.decide({ primary: 'node1' })
    await rig.server('node1').connection(5)
    const { connections } = rig.server('node1')
    await waitFor('all requests', () => connections.every((each) => each.receivedBytes > STARTUP.length))

    expect(connections.map((each) => each.received.at(-1))).toEqual([1, 2, 3, 4, 5])
    expect(rig.admission.totals).toEqual({ held: 5, released: 5 })
  })

  it('is told of the shutdown', async () => {
    const rig = await start()
    const client = rig.connect(STARTUP)
    const session = await rig.inPhase('held')
    session.stopIfWaiting()

    expect((await client.endedWith()).error).toBe('FATAL 57P03 the database system is shutting down')
  })

  it('for a standby is refused as soon as it turns out that there is none', async () => {
    const rig = await start({ request: { route: 'standby' } })
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    rig.decide({ primary: 'node1' })

    const { error } = await client.endedWith()
    expect(error).toBe(`${NOT_ACCEPTING} no standby available (no connection to the server)`)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'no-standby': 1 })
  })

  it('keeps what its client sends ahead within a limit', async () => {
    const rig = await start()
    const flood = Buffer.alloc(32 * 1024 * 1024, 'x')
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    client.send(flood)
    await waitFor('the client to be stopped', () => client.socket.bytesWritten > 0 && client.socket.writableLength > 0)
    rig.decide({ primary: 'node1' })
    const server = await rig.server('node1').connection()
    await waitFor('what was kept', () => server.receivedBytes > 64 * 1024, { intervalMs: 2 })

    // One read beyond the limit at most.
    expect(server.receivedBytes).toBeLessThan(512 * 1024)
    server.send(LOGIN)
    await client.got(LOGIN)
    await waitFor('the rest', () => server.receivedBytes === STARTUP.length + flood.length)
  })

  it('is not held at all when nobody is to be', async () => {
    const rig = await start({ settings: { holdTimeoutMs: 0 }, admission: { holdSessionsMax: 0 } })
    rig.decide({ primary: null })

    expect((await rig.connect(STARTUP).endedWith()).error).toMatch(/^FATAL 57P03 /)
  })
})
