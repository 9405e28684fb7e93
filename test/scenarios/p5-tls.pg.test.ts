/**
 * P5, TLS that passes through: between client and server, unseen by the proxy, with everything that hangs on it being
 * the very same TLS at both ends: certificates of either side, channel binding, direct TLS.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { frameNaively, message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries, type PostgresBinaries } from '../support/postgres-binaries.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { programsAvailable, runProgram } from './programs.ts'
import { RawClient, SSL_REQUEST, startupMessage } from './raw-client.ts'
import { ProxyScene, tellOnFailure } from './scene.ts'

const SSL_INFO = "SELECT ssl, coalesce(client_dn, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"

let cluster: PostgresCluster
let scene: ProxyScene
let node1: PostgresServer

beforeEach(() => tellOnFailure(() => scene))

afterAll(async () => {
  await scene?.close()
  await cluster?.destroy()
})

/** A server with a certificate for localhost, which also takes client certificates of the same authority. */
async function openWithTls(binaries: PostgresBinaries): Promise<void> {
  cluster = await createCluster({ nodes: 1, binaries, application: true })
  node1 = cluster.node('node1')
  makeCertificates(node1)
  node1.setHbaLines(['hostnossl einvoice einvoice all reject', 'hostssl postgres einvoice all cert'])
  const file = (name: string) => join(node1.folder, name)
  node1.configure({
    ssl: true,
    ssl_cert_file: file('server.crt'),
    ssl_key_file: file('server.key'),
    ssl_ca_file: file('ca.crt'),
  })
  await node1.restart()
  scene = await ProxyScene.inFrontOf(cluster, { monitor: { sslmode: 'require' } })
}

function certificate(name: string): string {
  return join(node1.folder, name)
}

const system = findBinaries('system')
describe.skipIf(leftOut('TLS with psql', hasOpenssl() === true ? programsAvailable('psql') : hasOpenssl()))(
  'psql over TLS that passes through',
  () => {
    if ('missing' in system) return
    beforeAll(() => openWithTls(system))

    const run = (env: Readonly<Record<string, string>>, through = true) =>
      runProgram('psql', ['-XAtc', SSL_INFO], {
        target: through ? scene.target : node1,
        env: { PGHOST: 'localhost', ...env },
      })

    it('connects with require and channel binding, which would notice anybody in between', async () => {
      const env = { PGSSLMODE: 'require', PGCHANNELBINDING: 'require' }
      expect(await run(env)).toMatchObject({ code: 0, stdout: 't|\n', stderr: '' })
    })

    it('connects with verify-full by the server’s certificate, and refuses another name', async () => {
      const env = { PGSSLMODE: 'verify-full', PGSSLROOTCERT: certificate('ca.crt') }
      expect(await run(env)).toMatchObject({ code: 0, stdout: 't|\n' })
      expect(await run({ ...env, PGHOST: '127.0.0.1' })).toMatchObject({ code: 2 })
    })

    it('logs in by a client certificate alone', async () => {
      const env = {
        PGSSLMODE: 'require',
        PGSSLCERT: certificate('client.crt'),
        PGSSLKEY: certificate('client.key'),
        PGDATABASE: 'postgres',
        PGPASSWORD: '',
      }
      expect(await run(env)).toMatchObject({ code: 0, stdout: 't|/CN=einvoice\n' })
    })

    it('is refused in plain by the server’s own rule, in its own words', async () => {
      const env = { PGSSLMODE: 'disable' }
      const direct = await run(env, false)
      expect(direct.stderr).toContain('pg_hba.conf rejects connection')
      const through = await run(env)
      expect(through.code).toBe(direct.code)
      expect(through.stderr).toContain('pg_hba.conf rejects connection')
    })

    it('ends plain bytes behind an SSLRequest, which nobody must take for part of the TLS stream', async () => {
      const client = await RawClient.connect(scene.target)
      client.send(Buffer.concat([SSL_REQUEST, startupMessage({ user: 'postgres', database: 'einvoice' })]))
      await client.waitForEnd()
      expect(client.received).toHaveLength(0)
      client.destroy()
      await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended['early-bytes'] === 1)
    })
  },
)

const npm = findBinaries('npm')
const direct = 'missing' in npm ? npm.missing : npm.major >= 17 || `PostgreSQL ${npm.version} has no direct TLS`
describe.skipIf(leftOut('direct TLS', hasOpenssl() === true ? direct : hasOpenssl()))(
  'a client that opens with TLS (sslnegotiation=direct)',
  () => {
    if ('missing' in npm) return
    beforeAll(async () => {
      await scene?.close()
      await cluster?.destroy()
      await openWithTls(npm)
    })

    it('reaches the server with the ALPN it asks for', async () => {
      const socket = connectDirectly()
      const received = await login(socket)
      expect([socket.authorized, socket.alpnProtocol]).toEqual([true, 'postgresql'])
      const { messages } = frameNaively(received)
      expect(messages.at(-1)?.type).toBe('Z')
      socket.end(message('X'))
      await waitFor('the end', () => socket.destroyed || socket.readableEnded)
      socket.destroy()
    })

    it('is ended without a word when its node is fenced: plain words would break the stream', async () => {
      const socket = connectDirectly()
      await login(socket)
      let heard = 0
      const broken: Error[] = []
      socket.on('data', (piece: Buffer) => {
        heard += piece.length
      })
      socket.on('error', (error) => broken.push(error))
      await scene.proxy.post('/api/fence', { node: 'node1' })
      await waitFor('the end', () => socket.destroyed || socket.readableEnded)
      expect([heard, broken]).toEqual([0, []])
      socket.destroy()
      await scene.proxy.post('/api/unfence', { node: 'node1' })
    })
  },
)

/** Opens with a ClientHello, without a word before it. */
function connectDirectly(): TLSSocket {
  return connect({
    ...scene.target,
    servername: 'localhost',
    ca: readFileSync(certificate('ca.crt')),
    ALPNProtocols: ['postgresql'],
  })
}

/** Sends a StartupMessage once TLS is there; gives what comes up to ReadyForQuery. */
async function login(socket: TLSSocket): Promise<Buffer> {
  const pieces: Buffer[] = []
  let failure: Error | null = null
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.on('error', (error) => {
    failure = error
  })
  socket.on('secureConnect', () => socket.write(startupMessage({ user: 'postgres', database: 'einvoice' })))
  return await waitFor('ReadyForQuery', () => {
    if (failure !== null) return failure
    const received = Buffer.concat(pieces)
    return received.includes('Z\0\0\0\x05') ? received : null
  }).then((outcome) => {
    if (outcome === null || outcome instanceof Error) throw outcome ?? new Error('no answer')
    return outcome
  })
}

function hasOpenssl(): true | string {
  return (
    ['/usr/bin', '/usr/local/bin', '/bin'].some((folder) => existsSync(join(folder, 'openssl'))) ||
    'there is no openssl'
  )
}

/** ca.crt, server.crt for localhost, client.crt for the role einvoice, and their keys, in the server's folder. */
function makeCertificates(server: PostgresServer): void {
  const run = (args: readonly string[]) => execFileSync('openssl', args, { cwd: server.folder, stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  run(['req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test authority'])
  for (const [name, subject] of [
    ['server', '/CN=localhost'],
    ['client', '/CN=einvoice'],
  ] as const) {
    run(['req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject])
    server.writeFile('extensions', 'subjectAltName=DNS:localhost\n')
    const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'extensions']
    run(['x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...by])
    if (name === 'client') continue
    // Through writeFile the key belongs to the server's user, and to nobody else.
    for (const file of [`${name}.key`, `${name}.crt`]) server.writeFile(file, readFileSync(join(server.folder, file)))
  }
  server.writeFile('ca.crt', readFileSync(join(server.folder, 'ca.crt')))
}
