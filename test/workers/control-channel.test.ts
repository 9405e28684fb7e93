import { duplexPair } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ControlChannel, MESSAGE_BYTES_MAX } from '../../src/workers/control-channel.ts'
import { waitFor } from '../support/condition.ts'

function setUp() {
  const [near, far] = duplexPair()
  const heard: unknown[] = []
  const channel = new ControlChannel<unknown, unknown>(far, (message) => heard.push(message))
  return { near, far, heard, channel, other: () => new ControlChannel<unknown, unknown>(near, () => undefined) }
}

/** What goes over the line for these messages. */
async function bytesOf(messages: readonly unknown[]): Promise<Buffer> {
  const [near, far] = duplexPair()
  const channel = new ControlChannel<unknown, unknown>(near, () => undefined)
  for (const message of messages) channel.tell(message)
  channel.close()
  const chunks: Buffer[] = []
  for await (const chunk of far) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe('the line between main process and worker', () => {
  it('carries maps, infinities and what is undefined, in order', async () => {
    const { heard, other } = setUp()
    const messages = [{ nodes: new Map([['a', { at: Number.NEGATIVE_INFINITY }]]) }, { left: undefined }, 'last']
    const line = other()
    for (const message of messages) line.tell(message)
    await waitFor('three messages', () => heard.length === 3)
    expect(heard).toEqual(messages)
  })

  it('puts messages together again however they are cut', async () => {
    const messages = [{ a: 'x'.repeat(300) }, 1, [new Map([[1, 2]])], '']
    const bytes = await bytesOf(messages)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 20 }), async (cuts) => {
        const { near, heard } = setUp()
        const ends = [...cuts.sort((a, b) => a - b), bytes.length]
        let from = 0
        for (const end of ends) {
          if (end > from) near.write(bytes.subarray(from, end))
          from = Math.max(from, end)
        }
        await waitFor('all messages', () => heard.length === messages.length)
        expect(heard).toEqual(messages)
        near.destroy()
      }),
      { numRuns: 15 },
    )
  })

  it.each([
    ['is too large', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['cannot be read', Buffer.from([0, 0, 0, 2, 7, 7])],
  ])('is closed by a message that %s', async (_, bytes) => {
    const { near, heard, channel } = setUp()
    near.write(bytes)
    await channel.closed
    expect(heard).toEqual([])
    expect(MESSAGE_BYTES_MAX).toBeLessThan(2 ** 32)
  })

  it('tells when the other side is gone, and then nothing is said to nobody', async () => {
    const { near, channel } = setUp()
    near.resume()
    near.end()
    await channel.closed
    channel.tell('anybody?')
  })
})
