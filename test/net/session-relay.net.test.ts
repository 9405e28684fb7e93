import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { errorOf, LOGIN, READY } from './fake-server.ts'
import { QUERY, type RigOptions, type SessionRig, STARTUP, TERMINATE, useRigs } from './session-rig.ts'

const ROW = message('D', Buffer.alloc(2000, 'x'))

const startRig = useRigs()

describe.each([
  ['that borrows what it reads', true],
  ['on a version of Node whose accepted sockets cannot lend', false],
])('the relay %s', (_, adopts) => {
  const start = (options: RigOptions = {}): Promise<SessionRig> => startRig({ ...options, adopts })

  it('hands bytes of any kind on in both directions, unchanged and in order', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    const [up, down] = [randomBytes(3_000_000), randomBytes(3_000_000)]
    for (let offset = 0; offset < up.length; offset += 70_001) {
      client.send(up.subarray(offset, offset + 70_001))
      server.send(down.subarray(offset, offset + 70_001))
      await nextTurn()
    }
    await waitFor('all bytes', () => server.receivedBytes >= STARTUP.length + up.length)
    await waitFor('all bytes', () => client.receivedBytes >= LOGIN.length + down.length)

    expect(server.received.equals(Buffer.concat([STARTUP, up]))).toBe(true)
    expect(client.received.equals(Buffer.concat([LOGIN, down]))).toBe(true)
  })

  it('stops reading from a server whose client does not read, and loses nothing', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    client.socket.pause()
    const rows = Buffer.concat(Array.from({ length: 20_000 }, () => ROW))
    server.send(rows)
    await stands(() => server.socket.bytesWritten - server.socket.writableLength)

    // What the kernel holds for both connections, and next to nothing of ours.
    expect(server.socket.writableLength).toBeGreaterThan(rows.length / 3)
    client.socket.resume()
    await waitFor('all bytes', () => client.receivedBytes >= LOGIN.length + rows.length)
    expect(client.received.equals(Buffer.concat([LOGIN, rows]))).toBe(true)
  })

  it('stops reading from a client whose server does not read, and loses nothing', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    server.socket.pause()
    const copy = Buffer.alloc(40_000_000, 'copy')
    client.send(copy)
    await stands(() => client.socket.bytesWritten - client.socket.writableLength)
    expect(client.socket.writableLength).toBeGreaterThan(copy.length / 3)

    server.socket.resume()
    await waitFor('all bytes', () => server.receivedBytes >= STARTUP.length + copy.length)
    expect(server.received.equals(Buffer.concat([STARTUP, copy]))).toBe(true)
  })

  it("passes a client's half-close on, and goes on with what the server still has to say", async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    client.send(QUERY)
    client.socket.end()
    await waitFor('FIN at the server', () => server.hasEnded, { intervalMs: 2 })
    await server.got(Buffer.concat([STARTUP, QUERY]))
    server.send(ROW)
    await client.got(Buffer.concat([LOGIN, ROW]))
    server.send(READY)
    server.end()

    expect(await client.ended()).toEqual(Buffer.concat([LOGIN, ROW, READY]))
    await rig.isEmpty()
    expect(rig.ended).toEqual({ finished: 1 })
  })

  it('ends with a plain FIN when the client has said Terminate', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    client.send(TERMINATE)
    await server.got(Buffer.concat([STARTUP, TERMINATE]))
    server.end()

    expect(await client.ended()).toEqual(LOGIN)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ finished: 1 })
    expect(rig.hints).toEqual([])
  })

  it('says 08006 at a message boundary when the server vanishes by a reset', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    server.send(ROW)
    await client.got(Buffer.concat([LOGIN, ROW]))
    server.reset()

    const { before, error } = await client.endedWith()
    expect(before).toEqual(Buffer.concat([LOGIN, ROW]))
    expect(error).toBe('FATAL 08006 server closed the connection unexpectedly')
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'backend-lost': 1 })
    expect(rig.hints).toEqual(['node1 suspicious'])
  })

  it('says nothing in the middle of a message when the server vanishes', async () => {
    for (const cut of [1, 4, 5, 100, ROW.length - 1]) {
      const rig = await start()
      rig.decide({ primary: 'node1' })
      const { client, server } = await rig.logIn('node1')
      server.send(ROW.subarray(0, cut))
      server.end()

      expect(await client.ended()).toEqual(Buffer.concat([LOGIN, ROW.subarray(0, cut)]))
      await rig.isEmpty()
      expect(rig.ended).toEqual({ 'backend-lost': 1 })
    }
  })

  it.each<[string, Buffer]>([
    ['57P01', errorOf('57P01', 'terminating connection due to administrator command')],
    ['a session timeout', errorOf('57P05', 'terminating connection due to idle-session timeout')],
    ['a transaction timeout', errorOf('25P03', 'terminating connection due to idle-in-transaction timeout')],
  ])('adds nothing to the words of a server that said %s, however they were cut', async (_, words) => {
    for (const cut of [0, 3, 30, words.length - 1]) {
      const rig = await start()
      rig.decide({ primary: 'node1' })
      const { client, server } = await rig.logIn('node1')
      if (cut > 0) {
        server.send(words.subarray(0, cut))
        await client.got(Buffer.concat([LOGIN, words.subarray(0, cut)]))
      }
      server.send(words.subarray(cut))
      await client.got(Buffer.concat([LOGIN, words]))
      server.end()

      expect(await client.ended()).toEqual(Buffer.concat([LOGIN, words]))
      await rig.isEmpty()
      expect(rig.ended).toEqual({ finished: 1 })
    }
  })

  it('says 08006 behind the notice of a dying server, which drivers do not show', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    const notice = errorOf('57P02', 'terminating connection because of crash of another server process', 'N')
    server.send(notice)
    server.end()

    const { before, error } = await client.endedWith()
    expect(before).toEqual(Buffer.concat([LOGIN, notice]))
    expect(error).toBe('FATAL 08006 server closed the connection unexpectedly')
    expect(rig.hints).toContain('node1 suspicious')
  })

  it.each<[string, Buffer[]]>([
    ['in one piece', [Buffer.concat([errorOf('23505', 'duplicate key'), READY])]],
    ['in two pieces', [errorOf('23505', 'duplicate key'), READY]],
    ['followed by rows', [errorOf('57014', 'canceling statement'), READY, ROW]],
  ])('does not take an error of a statement for a goodbye, %s', async (_, pieces) => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    let sent = LOGIN
    for (const piece of pieces) {
      server.send(piece)
      sent = Buffer.concat([sent, piece])
      await client.got(sent)
    }
    server.reset()

    expect((await client.endedWith()).error).toMatch(/^FATAL 08006 /)
    expect(rig.hints).toEqual(['node1 suspicious'])
  })

  it('sends somebody to look when a write session meets a read-only server', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    const error = errorOf('25006', 'cannot execute INSERT in a read-only transaction')
    server.send(error)
    await client.got(Buffer.concat([LOGIN, error]))

    expect(rig.hints).toEqual(['node1 suspicious'])
  })

  it('sends nobody for the same in a read session', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const { client, server } = await rig.logIn('node2')
    const error = errorOf('25006', 'cannot execute INSERT in a read-only transaction')
    server.send(error)
    await client.got(Buffer.concat([LOGIN, error]))

    expect(rig.hints).toEqual([])
  })

  it('gives a slow reader all that the server had said, then FIN', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    client.socket.pause()
    const rows = Buffer.concat(Array.from({ length: 5000 }, () => ROW))
    server.send(rows)
    server.end()
    await stands(() => server.socket.bytesWritten - server.socket.writableLength)
    // Longer than any linger: what waits is not thrown away.
    rig.clock.advance(60_000)
    client.socket.resume()
    const received = await client.ended()

    expect(received.subarray(0, LOGIN.length + rows.length).equals(Buffer.concat([LOGIN, rows]))).toBe(true)
    await rig.isEmpty()
  })

  it("drops the server's side when the client is gone by a reset", async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const { client, server } = await rig.logIn('node1')
    client.socket.resetAndDestroy()
    await server.closed()
    await rig.isEmpty()

    expect(rig.ended).toEqual({ 'client-lost': 1 })
  })
})

/** Resolves when the number has stopped changing. */
async function stands(read: () => number): Promise<void> {
  let [last, times] = [-1, 0]
  await waitFor('a standstill', () => {
    const now = read()
    times = now === last ? times + 1 : 0
    last = now
    return times >= 5
  })
}
