/**
 * P5, TLS that ends at the proxy, with real clients and a real server: what psql and node-pg see, certificates that are
 * renewed under running sessions, files that will not do. Protocol 3.2: p5-negotiation.pg.test.ts, p5-cancel.pg.test.ts.
 */
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { opensslAvailable } from '../support/certificates.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries } from '../support/postgres-binaries.ts'
import { type LogRecord, runProxyCommand } from '../support/proxy-process.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'
import { endOf, programsAvailable, runProgram, startProgram } from './programs.ts'
import { tellOnFailure } from './scene.ts'
import { TlsStage } from './tls-stage.ts'

const ON_SERVER = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'

interface ListenerDocument {
  readonly tls: Readonly<Record<string, unknown>>
}

let stage: TlsStage

const SKETCHES = {
  plain: (files) => ({ mode: 'terminate', ...files.own, require: true }),
  encrypted: (files) => ({
    mode: 'terminate',
    ...files.same,
    server_sslmode: 'verify-full',
    server_sslrootcert: files.ca,
  }),
  strict: (files) => ({ mode: 'terminate', ...files.own, require: true, client_ca: files.ca }),
} satisfies Parameters<typeof TlsStage.open>[1]

const system = findBinaries('system')
const isAvailable = opensslAvailable() === true ? programsAvailable('psql') : opensslAvailable()

describe.skipIf(leftOut('TLS that ends at the proxy, with psql', isAvailable))('psql', () => {
  if ('missing' in system) return
  beforeAll(async () => {
    stage = await TlsStage.open(system, SKETCHES)
  })
  afterAll(() => stage?.close())
  beforeEach(() => tellOnFailure(() => stage?.scene))

  const environment = (more: Readonly<Record<string, string>> = {}) => ({
    PGHOST: 'localhost',
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: stage.authority.certFile,
    ...more,
  })
  const run = (listener: string, more: Readonly<Record<string, string>> = {}, sql = ON_SERVER) =>
    runProgram('psql', ['-XAtc', sql], { target: stage.target(listener), env: environment(more) })

  it('trusts the proxy’s certificate, and the server sees what server_sslmode says', async () => {
    expect(await run('plain')).toEqual({ code: 0, stdout: 'f\n', stderr: '' })
    expect(await run('encrypted')).toEqual({ code: 0, stdout: 't\n', stderr: '' })
    expect(await run('encrypted', { PGSSLMODE: 'disable' })).toEqual({ code: 0, stdout: 't\n', stderr: '' })
  })

  it('is told that encryption is required', async () => {
    const { code, stderr } = await run('plain', { PGSSLMODE: 'disable' })
    expect([code, stderr]).toEqual([2, expect.stringContaining('FATAL:  encryption is required: connect with TLS')])
  })

  it('needs a certificate where clients have to have one', async () => {
    const { code, stderr } = await run('strict')
    expect([code, stderr]).toEqual([2, expect.stringContaining('connection requires a valid client certificate')])
    const own = { PGSSLCERT: stage.client.certFile, PGSSLKEY: stage.client.keyFile }
    expect(await run('strict', own)).toMatchObject({ code: 0, stdout: 'f\n' })
  })

  it('reads why its session ends, within TLS', async () => {
    const psql = startProgram('psql', ['-XAtc', 'SELECT pg_sleep(60)'], {
      target: stage.target('plain'),
      env: environment(),
    })
    const end = endOf(psql)
    await stage.node1.waitFor("SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
    await stage.scene.proxy.post('/api/fence', { node: 'node1' })
    const { code, stderr } = await end
    await stage.scene.proxy.post('/api/unfence', { node: 'node1' })
    await stage.scene.waitUntilServing('node1')

    expect(code).not.toBe(0)
    expect(stderr).toContain('FATAL:  terminating connection due to administrator command')
    expect(stderr).toContain('node1 is no longer primary')
  })

  const npm = findBinaries('npm')
  // psql finds the libpq that lies beside these servers' programs.
  const direct = 'missing' in npm ? npm.missing : npm.major >= 17 || `libpq ${npm.version} knows no direct TLS`
  it.skipIf(leftOut('psql with direct TLS', direct))(
    'of version 17 and newer opens with TLS, and asks for protocol 3.2',
    async () => {
      if ('missing' in npm) return
      const LD_LIBRARY_PATH = join(dirname(npm.folder), 'lib')
      const conninfo = 'sslnegotiation=direct max_protocol_version=3.2'
      const env = environment({ LD_LIBRARY_PATH })
      for (const listener of ['plain', 'encrypted']) {
        const target = stage.target(listener)
        const result = await runProgram('psql', ['-XAt', conninfo, '-c', 'SELECT 1'], { target, env })
        expect(result).toEqual({ code: 0, stdout: '1\n', stderr: '' })
      }
    },
  )
})

const any = findBinaries('any')
const anyAvailable = opensslAvailable() === true ? !('missing' in any) || any.missing : opensslAvailable()
describe.skipIf(leftOut('TLS that ends at the proxy', anyAvailable))('a certificate', () => {
  if ('missing' in any) return
  beforeAll(async () => {
    stage = await TlsStage.open(any, SKETCHES)
  })
  afterAll(() => stage?.close())
  beforeEach(() => tellOnFailure(() => stage?.scene))

  const connect = async (): Promise<pg.Client> => {
    const { host, port } = stage.target('plain')
    const client = new pg.Client({
      ...APPLICATION_LOGIN,
      host,
      port,
      ssl: { ca: readFileSync(stage.authority.certFile), servername: 'localhost' },
    })
    await client.connect()
    return client
  }
  const serialOf = (client: pg.Client): string => {
    // Not in its types, and the only way to the certificate.
    const { connection } = client as unknown as { readonly connection: { readonly stream: TLSSocket } }
    return connection.stream.getPeerX509Certificate()?.serialNumber ?? ''
  }
  const says = (start: string) => (record: LogRecord) => String(record.msg).startsWith(start)

  /** The proxy's own configuration with other listeners, in another file. */
  const writeConfig = (name: string, change: (listeners: readonly ListenerDocument[]) => readonly object[]): string => {
    const document = parse(readFileSync(stage.scene.config.file, 'utf8')) as { listeners: readonly ListenerDocument[] }
    const file = join(stage.scene.folder, name)
    writeFileSync(file, stringify({ ...document, listeners: change(document.listeners) }), { mode: 0o600 })
    return file
  }

  it('that is renewed is shown to new sessions, and those that run go on', async () => {
    const before = await connect()
    const since = stage.scene.proxy.log.length
    const renewed = stage.authority.issue('renewed')
    copyFileSync(renewed.certFile, stage.proxyCertificate.certFile)
    copyFileSync(renewed.keyFile, stage.proxyCertificate.keyFile)
    await stage.scene.proxy.waitForLog('it', says('certificate renewed'), { since })
    const after = await connect()

    expect(serialOf(after)).not.toBe(serialOf(before))
    expect((await before.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect((await after.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    await before.end()
    await after.end()
  })

  it('without its key is refused in one line, by SIGHUP too, and the old pair stays until there is a new one', async () => {
    const before = await connect()
    const since = stage.scene.proxy.log.length
    const broken = stage.authority.issue('broken')
    copyFileSync(broken.certFile, stage.proxyCertificate.certFile)
    const said = await stage.scene.proxy.waitForLog('it', says('the new certificate will not do'), { since })
    expect(said['faults']).toEqual([
      `tls.key: ${stage.proxyCertificate.keyFile} does not belong to the certificate in ${stage.proxyCertificate.certFile}`,
    ])
    stage.scene.proxy.signal('SIGHUP')
    const refused = await stage.scene.proxy.waitForLog('the reload', says('not reloaded'), { since })
    expect(refused['problem']).toBe(`listeners[0].tls.key: ${String(said['faults']).replace(/^tls\.key: /, '')}`)

    const during = await connect()
    expect(serialOf(during)).toBe(serialOf(before))
    copyFileSync(broken.keyFile, stage.proxyCertificate.keyFile)
    await stage.scene.proxy.waitForLog('the renewal', says('certificate renewed'), { since })
    const after = await connect()
    expect(serialOf(after)).not.toBe(serialOf(before))
    expect(stage.scene.proxy.log.slice(since).filter(says('the new certificate will not do'))).toHaveLength(2)
    for (const client of [before, during, after]) await client.end()
  })

  it('whose key others may read is warned of', async () => {
    const { keyFile } = stage.proxyCertificate
    chmodSync(keyFile, 0o644)
    writeFileSync(keyFile, readFileSync(keyFile))
    const warned = await stage.scene.proxy.waitForLog('a warning', says('TLS files'))
    expect(warned['problem']).toMatch(/^tls\.key: .* can be read by others \(mode 0644\)$/)
  })

  it.each([
    ['that is not there', { cert: '/nowhere/server.crt' }, 'cert: /nowhere/server.crt cannot be read: no such file'],
    ['that is none', { cert: '/dev/null' }, 'cert: /dev/null cannot be read: it is not a regular file'],
  ])('%s is told of at the start, and by check, with its place', async (_, change, expected) => {
    const file = writeConfig('faulty.yaml', (listeners) =>
      listeners.map(({ tls, ...rest }) => ({ ...rest, tls: { ...tls, ...change } })),
    )
    for (const args of [
      ['--config', file],
      ['check', '--config', file],
    ]) {
      const { code, stderr } = await runProxyCommand(args)
      expect([code, stderr]).toEqual([2, expect.stringContaining(`listeners[0].tls.${expected}`)])
      expect(stderr).toContain('listeners[2].tls.')
    }
  })

  it('is compared with those of the nodes by check, which names what cannot work', async () => {
    const { certFile: cert, keyFile: key } = stage.proxyCertificate
    const file = writeConfig('warned.yaml', ([, encrypted, strict]) => [
      { ...encrypted, tls: { ...encrypted?.tls, cert, key } },
      { ...strict, tls: { ...strict?.tls, server_sslmode: 'require' } },
    ])
    const { stdout } = await runProxyCommand(['check', '--json', '--config', file])
    const { findings } = JSON.parse(stdout) as { findings: { code: string; severity: string }[] }
    const codes = findings.map(({ code, severity }) => `${severity} ${code}`)

    expect(codes.filter((code) => code === 'warning channel-binding')).toHaveLength(2)
    expect(codes).toContain('note client-certificate-ends-here')
    expect(codes).toContain('warning secret-readable')
  })
})
