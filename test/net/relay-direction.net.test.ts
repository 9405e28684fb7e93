/** How long a buffer that was lent is needed: nothing may be read into it before. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { adoptSocket } from '../../src/net/adopt-socket.ts'
import type { LendingSocket } from '../../src/net/lending-socket.ts'
import { RelayDirection } from '../../src/net/relay-direction.ts'
import { waitFor } from '../support/condition.ts'
import { connectPair } from './accepted-socket.ts'

const LARGE_BYTES = 400_000

const closing: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function lendingPair(): Promise<{ readonly socket: LendingSocket; readonly peer: Socket }> {
  const { accepted, dialed, close } = await connectPair()
  const socket = adoptSocket(accepted) as LendingSocket
  closing.push(close, () => void socket.destroy())
  socket.on('error', () => undefined)
  return { socket, peer: dialed }
}

/** A direction into a socket whose peer does not read, which has been given more than the kernel takes. */
async function clogged() {
  const [{ socket: source }, { socket: sink, peer }] = [await lendingPair(), await lendingPair()]
  const direction = new RelayDirection(source, sink, () => undefined)
  direction.start(null)
  closing.push(() => direction.stop())
  peer.pause()
  let needed: Buffer | null = null
  for (let count = 0; count < 200 && needed === null; count += 1) {
    const buffer = Buffer.alloc(LARGE_BYTES)
    if (direction.borrow(buffer, LARGE_BYTES, false)) needed = buffer
  }
  return { direction, source, sink, peer, needed }
}

describe('a direction of a relay', () => {
  it('needs a large buffer until the sink has taken it all, and reads nothing until then', async () => {
    const { source, sink, peer, needed } = await clogged()
    expect(needed).not.toBeNull()
    expect(sink.writableLength).toBe(LARGE_BYTES)
    expect(source.isPaused()).toBe(true)
    const giveBack = vi.spyOn(source, 'giveBack').mockImplementation(() => undefined)
    peer.resume()
    await waitFor('the buffer to be given back', () => giveBack.mock.calls.length > 0, { intervalMs: 2 })
    expect(giveBack.mock.calls).toEqual([[needed]])
    expect(sink.writableLength).toBe(0)
    expect(source.isPaused()).toBe(false)
  })

  it('that is stopped never gives back what the sink still needs', async () => {
    const { direction, source, sink, peer } = await clogged()
    const giveBack = vi.spyOn(source, 'giveBack').mockImplementation(() => undefined)
    const abandon = vi.spyOn(source, 'abandon').mockImplementation(() => undefined)
    direction.stop()
    expect(abandon).toHaveBeenCalledTimes(1)
    const drained = once(sink, 'drain')
    peer.resume()
    await drained
    expect(giveBack).not.toHaveBeenCalled()
  })
})

describe('a lending socket', () => {
  it('reads into nothing that a borrower needs, and neither does another', async () => {
    const [one, other] = [await lendingPair(), await lendingPair()]
    const needed = new Set<Buffer>()
    let overwritten = 0
    for (const { socket } of [one, other]) {
      socket.lend({
        borrow: (buffer, _, isShared) => {
          if (needed.has(buffer)) overwritten += 1
          if (!isShared) needed.add(buffer)
          return !isShared
        },
      })
      socket.resume()
    }
    const isIn = [one, other].map(({ socket, peer }) => {
      peer.end(Buffer.alloc(3_000_000))
      return once(socket, 'end')
    })
    await Promise.all(isIn)
    expect(overwritten).toBe(0)
    expect(needed.size).toBeGreaterThan(2)
    for (const buffer of needed) one.socket.giveBack(buffer)
  })
})
