/**
 * P5 with the clients that people use: every one of them prints the same through the proxy as directly, in plain and
 * over TLS that passes through, and goes on writing after a failover without being started again. What is seen here is
 * the table in docs/clients.md.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Scene, tellOnFailure } from '../scenarios/scene.ts'
import { CertificateAuthority, opensslAvailable } from '../support/certificates.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries } from '../support/postgres-binaries.ts'
import { type ErrorLine, runSteps, WritingClient } from './client-process.ts'
import { ClientTable } from './client-table.ts'
import { DRIVEN_CLIENTS, type DrivenClient } from './driven-clients.ts'
import { STANDBY_STEP, STEPS } from './steps.ts'

const SSL_MODES = ['disable', 'require'] as const
const binaries = findBinaries('any')
const stage = 'missing' in binaries ? binaries.missing : opensslAvailable()
const clients = DRIVEN_CLIENTS.filter(({ name, available }) => {
  return !leftOut(`client ${name}`, stage === true ? available : stage)
})
const table = new ClientTable()

let scene: Scene

/** A primary and a standby with certificates, and a proxy that lets TLS through. */
async function openScene(): Promise<void> {
  scene = await Scene.open({ nodes: 2 })
  const folder = mkdtempSync(join(tmpdir(), 'pgha-clients-'))
  const { cert, key } = new CertificateAuthority(folder).issue('server')
  rmSync(folder, { recursive: true })
  for (const node of scene.cluster.nodes) {
    const files = { ssl_cert_file: node.writeFile('tls.crt', cert), ssl_key_file: node.writeFile('tls.key', key) }
    node.configure({ ssl: true, ...files })
    node.reload()
    await node.waitFor("SELECT current_setting('ssl') = 'on'")
  }
}

describe.skipIf(clients.length === 0)('clients', () => {
  beforeAll(openScene, 60_000)
  beforeEach(() => tellOnFailure(() => scene))
  afterAll(async () => {
    await scene?.close()
    expect(table.compareWithDocs()).toEqual([])
  })

  describe.each(clients)('$name', (client: DrivenClient) => {
    it.each(SSL_MODES)('prints the same through the proxy as directly, sslmode %s', async (sslmode) => {
      const node1 = scene.node('node1')
      const direct = await runSteps(client, 'steps', { host: node1.host, port: node1.port, sslmode })
      const through = await runSteps(client, 'steps', { ...scene.target, sslmode })
      expect([...through]).toEqual([...direct])
      const offered = STEPS.filter(({ name }) => !client.notOffered.includes(name))
      expect([...through.keys()]).toEqual(['client', ...offered.map(({ name }) => name)])
      for (const { name, expected } of offered) {
        if (expected !== null) expect([name, through.get(name)]).toEqual([name, atLeast(expected)])
      }
      expect(through.get('connect')).toMatchObject({ tls: sslmode === 'require' })
      table.noteSteps(client, through)
    })

    it('reads on a standby, and is told by the server that it cannot write there', async () => {
      const node2 = scene.node('node2')
      const listener = { host: '127.0.0.1', port: scene.config.standbyPort, sslmode: 'disable' } as const
      const direct = await runSteps(client, 'standby', { ...listener, port: node2.port })
      const through = await runSteps(client, 'standby', listener)
      expect([...through]).toEqual([...direct])
      expect(through.get('standby')).toMatchObject(STANDBY_STEP.expected as object)
      table.noteSteps(client, through)
    })
  })

  it('all go on writing in the same process when they are cut off, and when the primary is lost for good', async () => {
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    const writers = clients.flatMap((client) =>
      SSL_MODES.map((sslmode) => new WritingClient(client, { ...scene.target, sslmode })),
    )
    try {
      const all = (act: (writer: WritingClient) => Promise<void>) => Promise.all(writers.map(act))
      await all((writer) => writer.waitForMore(node1.port))
      expect(writers.flatMap(({ name, errors }) => errors.map((error) => ({ name, error })))).toEqual([])

      await scene.proxy.post('/api/fence', { node: 'node1' })
      await waitUntilWithoutSessions('node1')
      await scene.proxy.post('/api/unfence', { node: 'node1' })
      await all((writer) => writer.waitForMore(node1.port))
      const fencedCounts = new Map(writers.map((writer) => [writer, writer.errors.length]))

      await node1.kill()
      await waitUntilWithoutSessions('node1')
      await scene.promote('node2')
      await all((writer) => writer.waitForMore(node2.port))

      for (const writer of writers) {
        expect(writer.isRunning).toBe(true)
        expect([writer.name, writer.errors.filter(isReadOnly)]).toEqual([writer.name, []])
        const count = fencedCounts.get(writer) ?? 0
        const [afterFence = null, afterKill = null] = [writer.errors.slice(0, count)[0], writer.errors[count]]
        table.noteErrors(writer.client, writer.sslmode, { afterFence, afterKill })
      }
      const acknowledged = writers.flatMap(({ written }) => written.filter(({ port }) => port === node2.port))
      const numbers = acknowledged.map(({ written }) => written)
      const count = await node2.value('SELECT count(*)::int FROM invoices WHERE number = ANY($1)', {
        database: 'einvoice',
        values: [numbers],
      })
      expect(count).toBe(numbers.length)
    } finally {
      await Promise.all(writers.map((writer) => writer.stop()))
    }
  }, 120_000)
})

async function waitUntilWithoutSessions(node: string): Promise<void> {
  await scene.waitForStatus(`no session on ${node}`, ({ nodes }) => {
    return nodes.some(({ name, sessions }) => name === node && sessions === 0)
  })
}

function isReadOnly({ code, text }: ErrorLine): boolean {
  return code === '25006' || text.includes('read-only')
}

function atLeast(expected: unknown): unknown {
  return typeof expected === 'object' && !Array.isArray(expected)
    ? expect.objectContaining(expected as object)
    : expected
}
