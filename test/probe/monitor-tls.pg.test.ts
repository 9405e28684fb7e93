import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { MonitorAccess } from '../../src/probe/monitor-access.ts'
import { waitFor } from '../support/condition.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { probeServer, type TestProber } from './probe-support.ts'

/** A self-signed certificate for `host`, by the openssl of this machine; gives the two file names. */
function makeCertificate(folder: string, host: string): { readonly key: string; readonly certificate: string } {
  const key = join(folder, `${host}.key`)
  const certificate = join(folder, `${host}.crt`)
  const names = /^[\d.]+$/.test(host) ? `IP:${host}` : `DNS:${host}`
  execFileSync(
    'openssl',
    // biome-ignore format: one option a line says less.
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${host}`, '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', certificate],
    { stdio: 'pipe' },
  )
  return { key, certificate }
}

describe('sslmode with a real server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-probe-tls-'))
  const probers: TestProber[] = []
  let cluster: PostgresCluster
  let node1: PostgresServer
  let ownCertificate: string
  let otherCertificate: string

  beforeAll(async () => {
    cluster = await createCluster({ nodes: 1 })
    node1 = cluster.node('node1')
    const own = makeCertificate(folder, node1.host)
    ownCertificate = own.certificate
    otherCertificate = makeCertificate(folder, 'elsewhere.example').certificate
    node1.configure({
      ssl: true,
      ssl_key_file: node1.writeFile('server.key', readFileSync(own.key)),
      ssl_cert_file: node1.writeFile('server.crt', readFileSync(own.certificate)),
    })
    await node1.restart()
  })

  afterAll(async () => {
    await cluster.destroy()
    rmSync(folder, { recursive: true })
  })

  afterEach(async () => {
    await Promise.all(probers.splice(0).map((prober) => prober.close()))
    node1.setHbaLines([])
    node1.reload()
  })

  function probe(access: Partial<MonitorAccess>, host = node1.host): TestProber {
    const prober = probeServer({ name: 'node1', host, port: node1.port }, access)
    probers.push(prober)
    return prober
  }

  /** Whether the session that asked came over TLS. */
  async function isEncrypted(access: Partial<MonitorAccess>, host?: string): Promise<boolean | string> {
    const prober = probe(access, host)
    const observation = await prober.ask()
    if (observation.kind === 'failed') return `${observation.failure}: ${observation.detail}`
    const [opened] = prober.events
    return opened?.kind === 'opened' && opened.encrypted
  }

  it.each([
    ['disable', false],
    ['allow', false],
    ['prefer', true],
    ['require', true],
  ] as const)('%s: over TLS is %s', async (sslmode, encrypted) => {
    expect(await isEncrypted({ sslmode })).toBe(encrypted)
  })

  it('verify-ca and verify-full take a certificate that the root certificate vouches for', async () => {
    for (const sslmode of ['require', 'verify-ca', 'verify-full'] as const) {
      expect(await isEncrypted({ sslmode, sslrootcert: ownCertificate }), sslmode).toBe(true)
    }
  })

  it('refuses a certificate that the root certificate does not vouch for, with require too', async () => {
    for (const sslmode of ['require', 'verify-ca', 'verify-full'] as const) {
      expect(await isEncrypted({ sslmode, sslrootcert: otherCertificate }), sslmode).toMatch(/^auth: TLS/)
    }
    expect(await isEncrypted({ sslmode: 'verify-full', sslrootcert: 'system' })).toMatch(/^auth: TLS/)
  })

  it('verify-full refuses a certificate of another host, verify-ca does not', async () => {
    expect(await isEncrypted({ sslmode: 'verify-ca', sslrootcert: ownCertificate }, 'localhost')).toBe(true)
    expect(await isEncrypted({ sslmode: 'verify-full', sslrootcert: ownCertificate }, 'localhost')).toMatch(
      /^auth: TLS/,
    )
  })

  it('prefer and allow try the other way when pg_hba.conf turns the first one away', async () => {
    node1.setHbaLines(['hostssl all pgha all reject'])
    node1.reload()
    await waitFor('TLS to be turned away', async () => {
      return String(await isEncrypted({ sslmode: 'require' })).startsWith('auth: 28000')
    })
    expect(await isEncrypted({ sslmode: 'prefer' })).toBe(false)
    node1.setHbaLines(['hostnossl all pgha all reject'])
    node1.reload()
    await waitFor('plain to be turned away', async () => {
      return String(await isEncrypted({ sslmode: 'disable' })).startsWith('auth: 28000')
    })
    expect(await isEncrypted({ sslmode: 'allow' })).toBe(true)
  })

  it('ends the TLS session in order, and leaves none behind when it times out', async () => {
    const prober = probe({ sslmode: 'require', timeoutMs: 300 })
    await prober.answer()
    await node1.freeze()
    expect(await prober.ask()).toMatchObject({ failure: 'timeout' })
    expect(await prober.ask()).toMatchObject({ failure: 'timeout', detail: expect.stringContaining('TLS request') })
    node1.thaw()
    await waitFor('an answer', async () => (await prober.ask()).kind === 'answered')
    await prober.close()
    await waitFor('no session to be left', async () => {
      const count = await node1.value(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgha-proxy'`)
      return Number(count) === 0
    })
  })
})
