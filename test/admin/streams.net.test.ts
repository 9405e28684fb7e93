/** Answers that go on: told when the client goes or the server closes, bounded in number and in what waits for a client. */
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type AnswerStream, STREAM_BACKLOG_BYTES_MAX, sendAnswer } from '../../src/admin/answer.ts'
import { waitFor } from '../support/condition.ts'
import { RawConnection } from './admin-rig.ts'

/** A server whose every answer is a stream of the test's own making. */
async function serveStream(run: (stream: AnswerStream) => Promise<void>) {
  const failures: unknown[] = []
  const server = createServer((request, response) => {
    const answer = { kind: 'stream', contentType: 'text/event-stream', run } as const
    sendAnswer(answer, request, response).catch((error: unknown) => failures.push(error))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  onTestFinished(close)
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const dial = (method = 'GET'): RawConnection => {
    const connection = new RawConnection(connect({ host: '127.0.0.1', port }))
    onTestFinished(() => {
      connection.socket.destroy()
    })
    return connection.write(`${method} / HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  }
  return { dial, close, failures }
}

/** Writes what it is given, and waits for the end. */
function recorder() {
  const ends: string[] = []
  let current: AnswerStream | null = null
  const run = async (stream: AnswerStream): Promise<void> => {
    current = stream
    stream.write('data: hello\n\n')
    await new Promise<void>((resolve) => stream.closed.addEventListener('abort', () => resolve()))
    ends.push('closed')
  }
  return { run, ends, stream: () => current }
}

describe('a stream', () => {
  it('has its head and its first words at once, and more as they come', async () => {
    const { run, stream } = recorder()
    const { dial } = await serveStream(run)
    const client = dial()
    await waitFor('the first words', () => client.received.includes('hello'))
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(client.received).toContain('text/event-stream')
    expect(stream()?.write('data: again\n\n')).toBe(true)
    await waitFor('the next words', () => client.received.includes('again'))
  })

  it('is told when its client has gone', async () => {
    const { run, ends, stream } = recorder()
    const { dial } = await serveStream(run)
    const client = dial()
    await waitFor('the first words', () => client.received.includes('hello'))
    client.socket.destroy()
    await waitFor('the end', () => ends.length === 1)
    expect(stream()?.write('into the void')).toBe(false)
  })

  it('is told when the server closes', async () => {
    const { run, ends } = recorder()
    const { dial, close } = await serveStream(run)
    const client = dial()
    await waitFor('the first words', () => client.received.includes('hello'))
    await close()
    await waitFor('the end', () => ends.length === 1)
  })

  it('of a client that reads nothing is ended before it takes more memory than it may', async () => {
    const { run, ends, stream } = recorder()
    const { dial } = await serveStream(run)
    const client = dial()
    await waitFor('the first words', () => client.received.includes('hello'))
    client.socket.pause()
    const piece = 'x'.repeat(64 * 1024)
    let written = 0
    await waitFor('it to be let go', () => {
      for (let count = 0; count < 8 && ends.length === 0; count += 1) {
        if (stream()?.closed.aborted === false) written += piece.length
        stream()?.write(piece)
      }
      return ends.length === 1
    })
    expect(written).toBeGreaterThan(STREAM_BACKLOG_BYTES_MAX)
  })

  it('asked for by HEAD has a head alone, and is not started', async () => {
    const { run, stream } = recorder()
    const { dial } = await serveStream(run)
    const client = dial('HEAD')
    await waitFor('the head', () => client.received.includes('\r\n\r\n'))
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(stream()).toBeNull()
  })

  it('whose writer fails is told to whoever answers', async () => {
    const { dial, failures } = await serveStream(async () => {
      throw new Error('broken')
    })
    dial()
    await waitFor('the failure', () => failures.length === 1)
    expect(failures).toMatchObject([{ message: 'broken' }])
  })
})
