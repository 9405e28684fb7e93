import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { STREAMS_MAX } from '../../src/admin/admin-server.ts'
import { PAGE_FILES } from '../../src/admin/page-files.ts'
import { waitFor } from '../support/condition.ts'
import { closeAfterEach, STATUS, startAdmin, TOKEN_HEADER } from './admin-rig.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'src', 'page')
const EVENTS = 'GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n'

closeAfterEach()

describe('the live page', () => {
  it('is served with every file it consists of, and nothing else lies beside them', async () => {
    const { ask } = await startAdmin()
    for (const [path, name] of Object.entries(PAGE_FILES)) {
      const { status, headers, body } = await ask('GET', path)
      expect([path, status, body]).toEqual([path, 200, readFileSync(join(FOLDER, name), 'utf8')])
      expect(headers['content-type']).toMatch(/^text\/(?:html|css|javascript); charset=utf-8$/)
    }
    expect(readdirSync(FOLDER).sort()).toEqual(Object.values(PAGE_FILES).sort())
  })

  it('may load from its own address only, run no script that stands in it, and be shown in no frame', async () => {
    const { ask } = await startAdmin()
    const { headers } = await ask('GET', '/')

    expect(String(headers['content-security-policy']).split('; ').sort()).toEqual([
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "img-src 'self' data:",
      "script-src 'self'",
      "style-src 'self'",
    ])
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
  })

  it('is small: all of it is less than 60 kB', () => {
    const sizes = Object.values(PAGE_FILES).map((name) => readFileSync(join(FOLDER, name)).length)

    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(60_000)
  })

  it('has no path into the folders around it', async () => {
    const { ask } = await startAdmin()
    for (const path of [
      '/page/',
      '/page/../cli/bin.ts',
      '/page/%2e%2e/cli/bin.ts',
      '/page/style.css/',
      '/index.html',
    ]) {
      expect([path, (await ask('GET', path)).status]).toEqual([path, 404])
    }
  })

  it('is read only: nothing is sent to it', async () => {
    const { ask } = await startAdmin()

    expect((await ask('POST', '/', { headers: TOKEN_HEADER })).status).toBe(405)
    expect((await ask('POST', '/api/events', { headers: TOKEN_HEADER })).status).toBe(405)
  })

  it('gives its files to a browser that names an origin, as they do for modules, and nothing else', async () => {
    const { ask } = await startAdmin()
    const headers = { origin: 'http://localhost' }

    expect((await ask('GET', '/page/main.js', { headers })).status).toBe(200)
    expect((await ask('GET', '/api/events', { headers })).status).toBe(403)
    expect((await ask('GET', '/page/main.js', { headers: { host: 'evil.example' } })).status).toBe(403)
  })
})

describe('the stream of events', () => {
  it('begins with the status, and goes on', async () => {
    const { dial } = await startAdmin()
    const connection = dial().write(EVENTS)
    await waitFor('the first events', () => connection.received.includes('event: failovers'))

    expect(connection.received).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[\s\S]*content-type: text\/event-stream; charset=utf-8\r\n/i,
    )
    expect(connection.received).toContain(`"reason":${JSON.stringify(STATUS.reason)}`)
    await waitFor('a second', () => connection.received.includes('event: second'))
  })

  it('is had by a bounded number: the next is told to come later, and health checks still get through', async () => {
    const { dial, ask } = await startAdmin()
    const open = Array.from({ length: STREAMS_MAX }, () => dial().write(EVENTS))
    await waitFor('all streams to be open', () => open.every(({ received }) => received.includes('event: status')))
    const { status, headers } = await ask('GET', '/api/events')

    expect([status, headers['retry-after']]).toEqual([503, '5'])
    expect((await ask('GET', '/livez')).status).toBe(200)
    open[0]?.socket.destroy()
    const again = dial()
    await waitFor('a place to be free', async () => {
      if (again.received === '') again.write(EVENTS)
      return (await ask('GET', '/livez')).status === 200 && again.received.includes('event: status')
    })
  })

  it('lets go of a listener that reads nothing, and keeps the others', async () => {
    // What one event weighs here: the limit is reached as soon as the system keeps no more of them.
    const ballast = 'x'.repeat(900_000)
    let count = 0
    const status = () => {
      count += 1
      return { ...STATUS, warnings: [`${count} ${ballast}`] }
    }
    const { dial } = await startAdmin({ actions: { status } })
    const slow = dial().write(EVENTS)
    const quick = dial().write(EVENTS)
    slow.socket.pause()
    await waitFor('the other to hear more', () => quick.received.length > 12 * ballast.length)
    // It notices that it was let go when it reads again.
    slow.socket.resume()
    await slow.closed

    expect(quick.socket.destroyed).toBe(false)
  })

  it('ends when the server closes', async () => {
    const { server, dial } = await startAdmin()
    const connection = dial().write(EVENTS)
    await waitFor('the stream', () => connection.received.includes('event: status'))
    await server.close()

    expect(await connection.closed).toContain('event: status')
  })
})
