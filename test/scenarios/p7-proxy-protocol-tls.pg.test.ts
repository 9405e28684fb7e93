/**
 * P7, the PROXY protocol in front of TLS that ends at the proxy: the header is in plain, ahead of everything, and the
 * client's address is known whichever way TLS begins behind it. With psql behind a real HAProxy, and with a header and a
 * ClientHello in one segment.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TCP4, TCP4_V2 } from '../protocol/proxy-header-bytes.ts'
import { opensslAvailable } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { freePorts } from '../support/free-port.ts'
import { Haproxy, haproxyAvailable } from '../support/haproxy.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries } from '../support/postgres-binaries.ts'
import { LOGIN } from './hostile-forms.ts'
import { programsAvailable, runProgram } from './programs.ts'
import { SSL_REQUEST } from './raw-client.ts'
import { tellOnFailure } from './scene.ts'
import { TlsStage } from './tls-stage.ts'

const BALANCER = '127.0.0.5'
const LISTENERS = ['plain', 'encrypted'] as const
const SKETCHES = {
  plain: (files) => ({ mode: 'terminate', ...files.own, require: true }),
  // The server's certificate: with another, psql's channel binding fails behind a server with TLS.
  encrypted: (files) => ({ mode: 'terminate', ...files.same, server_sslmode: 'require' }),
} satisfies Parameters<typeof TlsStage.open>[1]

const binaries = findBinaries('any')
const isThere = 'missing' in binaries ? binaries.missing : true
const isAvailable = opensslAvailable() === true ? isThere : opensslAvailable()

describe.skipIf(leftOut('a PROXY header in front of TLS', isAvailable))('a listener that terminates TLS', () => {
  if ('missing' in binaries) return
  let stage: TlsStage

  beforeAll(async () => {
    stage = await TlsStage.open(binaries, SKETCHES, {}, { proxy_protocol: { from: [`${BALANCER}/32`] } })
  })
  beforeEach(() => tellOnFailure(() => stage?.scene))
  afterAll(() => stage?.close())

  describe.skipIf(leftOut('HAProxy in front of TLS', both(haproxyAvailable(), programsAvailable('psql'))))(
    'behind HAProxy',
    () => {
      let haproxy: Haproxy
      let folder: string
      let routes: readonly number[]

      beforeAll(async () => {
        folder = mkdtempSync(join(tmpdir(), 'pgha-haproxy-'))
        routes = await freePorts(4, '::1')
        const ways = LISTENERS.flatMap((name) =>
          ['send-proxy', 'send-proxy-v2'].map((how) => {
            return `127.0.0.1:${stage.target(name).port} ${how} source ${BALANCER}`
          }),
        )
        const table = ways.map((server, index) => ({ bind: `[::1]:${routes[index]}`, server }))
        haproxy = await Haproxy.start(folder, table)
      })
      afterAll(async () => {
        await haproxy?.close()
        rmSync(folder, { recursive: true, force: true })
      })

      it.each([
        ['plain', 'version 1', 0],
        ['plain', 'version 2', 1],
        ['encrypted', 'version 1', 2],
        ['encrypted', 'version 2', 3],
      ])('serves psql with verify-full, and knows who it is (%s, %s)', async (_, _version, route) => {
        const since = stage.scene.proxy.log.length
        const result = await runProgram('psql', ['-XAtc', 'SELECT 42'], {
          target: { host: 'localhost', port: routes[route] ?? 0 },
          env: { PGHOSTADDR: '::1', PGSSLMODE: 'verify-full', PGSSLROOTCERT: stage.authority.certFile },
        })
        expect(result).toEqual({ code: 0, stdout: '42\n', stderr: '' })
        const isIt = ({ msg, reason }: Readonly<Record<string, unknown>>) =>
          msg === 'session ended' && reason === 'finished'
        const record = await stage.scene.proxy.waitForLog('its end', isIt, { since })
        expect(record).toMatchObject({ client: '::1', peer: BALANCER })
      })
    },
  )

  it.each([
    ['version 1', 'direct TLS', TCP4],
    ['version 2', 'direct TLS', TCP4_V2],
    ['version 1', 'an SSLRequest', TCP4],
    ['version 2', 'an SSLRequest', TCP4_V2],
  ])('takes a header of %s with %s in the same segment', async (_, way, header) => {
    for (const listener of LISTENERS) {
      const tcp = connect({ ...stage.target(listener), localAddress: BALANCER })
      await once(tcp, 'connect')
      if (way === 'an SSLRequest') {
        tcp.write(Buffer.concat([header, SSL_REQUEST]))
        const [answer] = (await once(tcp, 'data')) as [Buffer]
        expect(answer.toString()).toBe('S')
      }
      const tls = connectTls({
        socket: way === 'direct TLS' ? withPrefix(tcp, header) : tcp,
        servername: 'localhost',
        ca: stage.authority.cert,
        ALPNProtocols: ['postgresql'],
      })
      const pieces: Buffer[] = []
      tls.on('data', (piece: Buffer) => pieces.push(piece))
      tls.write(LOGIN)
      await waitFor('ReadyForQuery', () => Buffer.concat(pieces).includes('Z\0\0\0\x05I'))
      expect(tls.authorized).toBe(true)
      const answer = await stage.scene.proxy.get('/api/sessions?client=203.0.113.7')
      expect(await answer.json()).toMatchObject({
        total: 1,
        sessions: [{ client: '203.0.113.7', peer: BALANCER, node: 'node1', phase: 'relaying' }],
      })
      tls.destroy()
      tcp.destroy()
      await stage.scene.waitForStatus('its end', ({ sessions }) => sessions.active === 0)
    }
  })
})

/** The socket as TLS may have it, with these bytes in one write with its first. */
function withPrefix(socket: Socket, prefix: Buffer): Duplex {
  let ahead: Buffer | null = prefix
  const stream = new Duplex({
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, callback) => {
      socket.write(ahead === null ? chunk : Buffer.concat([ahead, chunk]), callback)
      ahead = null
    },
    final: (callback) => {
      socket.end(callback)
    },
  })
  socket.on('data', (piece: Buffer) => {
    if (!stream.push(piece)) socket.pause()
  })
  socket.on('end', () => stream.push(null))
  return stream
}

function both(first: true | string, second: true | string): true | string {
  return first === true ? second : first
}
