import { once } from 'node:events'
import { rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, describe, expect, it } from 'vitest'
import { adoptSocket } from '../../src/net/adopt-socket.ts'
import { LendingSocket } from '../../src/net/lending-socket.ts'
import { waitFor } from '../support/condition.ts'
import { makeServerFolder } from '../support/temp-folder.ts'
import { connectPair, hideUserBuffer } from './accepted-socket.ts'

const closing: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function pair(path?: string): Promise<{ readonly accepted: Socket; readonly dialed: Socket }> {
  const { accepted, dialed, close } = await connectPair(path)
  closing.push(close)
  return { accepted, dialed }
}

function adopt(accepted: Socket): Socket {
  const socket = adoptSocket(accepted)
  closing.push(() => void socket.destroy())
  return socket
}

function lent(socket: LendingSocket): { text: string; buffers: Set<Buffer> } {
  const seen = { text: '', buffers: new Set<Buffer>() }
  socket.lend({
    borrow: (buffer, count) => {
      seen.text += buffer.toString('latin1', 0, count)
      seen.buffers.add(buffer)
      return false
    },
  })
  socket.resume()
  return seen
}

describe('an accepted socket', () => {
  it('can be adopted on this version of Node: where this fails every session costs about a fifth more', async () => {
    const { accepted, dialed } = await pair()
    const socket = adopt(accepted)
    expect(socket, `Node.js ${process.version}`).toBeInstanceOf(LendingSocket)
    const seen = lent(socket as LendingSocket)
    dialed.write('up')
    await waitFor('what was sent', () => seen.text === 'up', { intervalMs: 2 })
    socket.write('down')
    const [answer] = (await once(dialed, 'data')) as [Buffer]
    expect(answer.toString()).toBe('down')
    expect({ read: socket.bytesRead, written: socket.bytesWritten }).toEqual({ read: 2, written: 4 })
  })

  it('can be adopted when it is a Unix socket', async () => {
    const folder = makeServerFolder('adopt')
    closing.push(() => rmSync(folder, { recursive: true, force: true }))
    const { accepted, dialed } = await pair(join(folder, 'socket'))
    const socket = adopt(accepted)
    const seen = lent(socket as LendingSocket)
    dialed.write('up')
    await waitFor('what was sent', () => seen.text === 'up', { intervalMs: 2 })
  })

  it('keeps its addresses, its half-close and its way to be reset', async () => {
    const { accepted, dialed } = await pair()
    const { remotePort } = accepted
    const socket = adopt(accepted)
    expect(socket.remotePort).toBe(remotePort)
    lent(socket as LendingSocket)
    dialed.end('last')
    await once(socket, 'end')
    expect(socket.writable).toBe(true)
    const failed = once(dialed, 'error')
    dialed.resume()
    socket.resetAndDestroy()
    expect(((await failed)[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET')
  })

  it('gives its bytes as events until somebody borrows, and again when nobody does any more', async () => {
    const { accepted, dialed } = await pair()
    const socket = adopt(accepted) as LendingSocket
    let events = ''
    socket.on('data', (chunk: Buffer) => {
      events += chunk.toString()
    })
    dialed.write('one')
    await waitFor('the first', () => events === 'one', { intervalMs: 2 })
    const seen = lent(socket)
    dialed.write('two')
    await waitFor('the second', () => seen.text === 'two', { intervalMs: 2 })
    socket.stopLending()
    dialed.write('three')
    await waitFor('the third', () => events === 'onethree', { intervalMs: 2 })
    expect(seen.text).toBe('two')
  })

  it('is closed for the one who accepted it, and its server is not kept from closing', async () => {
    const { accepted } = await pair()
    const isClosed = once(accepted, 'close')
    adopt(accepted)
    await isClosed
  })

  it('stays as it is when its handle cannot lend, was taken away, or has been read from', async () => {
    const strange = await pair()
    hideUserBuffer(strange.accepted)
    expect(adopt(strange.accepted)).toBe(strange.accepted)

    const gone = await pair()
    gone.accepted.destroy()
    expect(adopt(gone.accepted)).toBe(gone.accepted)

    const begun = await pair()
    begun.accepted.unshift(Buffer.from('read before'))
    expect(adopt(begun.accepted)).toBe(begun.accepted)
  })
})
