/** What the admin server lets nobody do, with raw connections: too many, too slow, too large, in two meanings. */
import { describe, expect, it } from 'vitest'
import { CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, STREAMS_MAX } from '../../src/admin/admin-server.ts'
import { waitFor } from '../support/condition.ts'
import { closeAfterEach, type RawConnection, startAdmin, TOKEN } from './admin-rig.ts'

closeAfterEach()

const GET = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'
const FENCE = `POST /api/fence HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`
const LAST = 'Connection: close\r\n'

const isOver = async (connection: RawConnection): Promise<boolean> =>
  await Promise.race([connection.closed.then(() => true), new Promise<false>((go) => setImmediate(() => go(false)))])

describe('answers', () => {
  it('say nothing of the program, and tell browsers to keep, guess, run and frame nothing', async () => {
    const { ask } = await startAdmin()
    for (const path of ['/livez', '/metrics', '/nothing', '/api/fence']) {
      const { headers } = await ask('GET', path)
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      })
      expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['server']))
      expect(JSON.stringify(headers)).not.toMatch(/node|express|pgha|1\.2\.3/i)
    }
  })

  it('say how long they are, to HTTP/1.0 as well', async () => {
    const { ask, dial } = await startAdmin()
    const { headers, body } = await ask('GET', '/readyz')
    expect(headers['content-length']).toBe(String(Buffer.byteLength(body)))
    const old = await dial().write('GET /livez HTTP/1.0\r\n\r\n').closed
    expect(old).toMatch(/\r\nContent-Length: 14\r\n/)
    expect(old.endsWith('\r\n\r\n{"live":true}\n')).toBe(true)
  })

  it('name the version in the status alone', async () => {
    const { ask } = await startAdmin()
    for (const path of ['/livez', '/readyz', '/primary', '/health', '/api/sessions', '/nothing', '/api/fence']) {
      expect((await ask('GET', path)).body).not.toContain('1.2.3')
    }
    expect((await ask('GET', '/api/status')).body).toContain('1.2.3')
  })
})

describe('connections', () => {
  it('are closed from the 17th of one address on; another address is answered', async () => {
    const { dial, ask } = await startAdmin()
    const idle = Array.from({ length: CONNECTIONS_PER_ADDRESS_MAX }, () => dial('127.0.0.3').write('GET /'))
    await waitFor('all to be connected', () => idle.every(({ socket }) => !socket.connecting))
    expect(await dial('127.0.0.3').write(GET).closed).toBe('')
    expect((await ask('GET', '/livez')).status).toBe(200)

    idle[0]?.socket.destroy()
    await waitFor('the place to be free', async () => {
      const next = dial('127.0.0.3').write(GET)
      await waitFor('an answer or a refusal', async () => next.received !== '' || (await isOver(next)))
      next.socket.destroy()
      return next.received.startsWith('HTTP/1.1 200')
    })
  })

  it('are closed from the 33rd on, those kept alive for nothing give way', async () => {
    const { dial } = await startAdmin()
    const all = Array.from({ length: CONNECTIONS_MAX }, (_, index) => dial(`127.0.0.${2 + (index % 4)}`).write(GET))
    await waitFor('all to be answered', () => all.every(({ received }) => received.startsWith('HTTP/1.1 200')))
    expect(await dial('127.0.0.9').write(GET).closed).toBe('')
    await waitFor('places to be free', async () => {
      const next = dial('127.0.0.9').write(GET)
      await waitFor('an answer or a refusal', async () => next.received !== '' || (await isOver(next)))
      return next.received.startsWith('HTTP/1.1 200')
    })
  })

  it('with streams are eight: the next stream is told to come later, other questions are answered', async () => {
    const { dial, ask } = await startAdmin()
    const stream = 'GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n'
    const open = Array.from({ length: STREAMS_MAX }, () => dial().write(stream))
    await waitFor('all to be open', () => open.every(({ received }) => received.startsWith('HTTP/1.1 200')))
    const { status, headers } = await ask('GET', '/api/events')
    expect([status, headers['retry-after']]).toEqual([503, '5'])
    expect((await ask('GET', '/readyz')).status).toBe(200)

    open[0]?.socket.destroy()
    await waitFor('the place to be free', async () => {
      const next = dial().write(stream)
      await waitFor('an answer', () => next.received.includes('\r\n\r\n'))
      return next.received.startsWith('HTTP/1.1 200')
    })
  })

  it('that say nothing, or one header after the other, or half a body, are closed within their time', async () => {
    const patience = { headersWithinMs: 200, requestWithinMs: 400, checkIntervalMs: 50 }
    const { dial, orders } = await startAdmin({ patience })
    const silent = dial()
    const slow = dial().write('GET /livez HTTP/1.1\r\n')
    let header = 0
    const dripping = setInterval(() => slow.write(`X-${header++}: x\r\n`), 20)
    const half = dial().write(`${FENCE}Content-Length: 16\r\n\r\n{"node"`)
    const startedAt = performance.now()
    try {
      expect(await silent.closed).toMatch(/^(?:HTTP\/1\.1 408 |$)/)
      expect(await slow.closed).toMatch(/^HTTP\/1\.1 408 /)
    } finally {
      clearInterval(dripping)
    }
    expect(await half.closed).not.toContain(' 200 ')
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(orders).toEqual([])
  })
})

describe('a request', () => {
  it('with a line or headers of more than 8 KiB is answered 431', async () => {
    const { dial } = await startAdmin()
    expect(await dial().write(`GET /${'x'.repeat(9_000)} HTTP/1.1\r\nHost: x\r\n\r\n`).closed).toMatch(
      /^HTTP\/1\.1 431 /,
    )
    const headers = `X: ${'x'.repeat(9_000)}\r\n`
    expect(await dial().write(`GET /livez HTTP/1.1\r\n${headers}\r\n`).closed).toMatch(/^HTTP\/1\.1 431 /)
  })

  it.each([
    ['two lengths', `${FENCE}Content-Length: 16\r\nContent-Length: 5\r\n\r\n{"node":"node1"}`],
    ['a length and chunks', `${FENCE}Content-Length: 16\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a length that is none', `${FENCE}Content-Length: +16\r\n\r\n{"node":"node1"}`],
    ['a transfer encoding that is none', `${FENCE}Transfer-Encoding: x, chunked, x\r\n\r\n0\r\n\r\n`],
    ['a space before the colon', `${FENCE}Content-Length : 16\r\n\r\n{"node":"node1"}`],
    ['a folded header', `${FENCE}X: a\r\n b\r\nContent-Length : 16\r\n\r\n{"node":"node1"}`],
    ['a NUL in a header', `${FENCE}X: a\0b\r\nContent-Length: 16\r\n\r\n{"node":"node1"}`],
    ['no Host in HTTP/1.1', `POST /api/fence HTTP/1.1\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'],
    ['a PROXY header', `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${GET}`],
  ])('with %s is refused, and its connection closed', async (_, bytes) => {
    const { dial, orders, defects } = await startAdmin()
    expect(await dial().write(bytes).closed).toMatch(/^HTTP\/1\.1 400 /)
    expect([orders, defects]).toEqual([[], []])
  })

  it('behind another on one connection is answered after it', async () => {
    const { dial } = await startAdmin()
    const connection = dial().write(GET.repeat(3)).write(`GET /nothing HTTP/1.1\r\nHost: localhost\r\n${LAST}\r\n`)
    expect((await connection.closed).match(/HTTP\/1\.1 \d+/g)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 404',
    ])
  })

  it('that wants to become another protocol is answered as what it is', async () => {
    const { dial } = await startAdmin()
    const upgrade = `GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`
    expect(await dial().write(upgrade).closed).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('to connect to somebody else is closed without a word', async () => {
    const { dial } = await startAdmin()
    const request = 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n'
    expect(await dial().write(request).closed).toBe('')
  })

  it('that waits for leave to send its body gets it, and no more than it may', async () => {
    const { dial, orders } = await startAdmin()
    const head = `${FENCE}${LAST}Content-Length: 16\r\nExpect: 100-continue\r\n\r\n`
    const connection = dial().write(head)
    await waitFor('the leave', () => connection.received.startsWith('HTTP/1.1 100 '))
    connection.write('{"node":"node1"}')
    expect(await connection.closed).toContain('HTTP/1.1 200 ')
    expect(orders.length).toBe(1)
  })

  it('without Host, as HAProxy checks in HTTP/1.0, is answered', async () => {
    const { dial } = await startAdmin()
    expect(await dial().write('OPTIONS /primary HTTP/1.0\r\n\r\n').closed).toMatch(/^HTTP\/1\.1 200 /)
  })
})
