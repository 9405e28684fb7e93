/** What a node, or whoever has taken its address, can do to the probe that asks it. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import type { MonitorAccess } from '../../src/probe/monitor-access.ts'
import type { Observation } from '../../src/topology/observation.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import {
  CAPABILITIES,
  errorMessage,
  LOGGED_IN,
  message,
  oneText,
  PRIMARY_ANSWER,
  type Script,
  servePrimary,
  startFakePostgres,
} from './fake-postgres.ts'
import { probeServer, type TestProber } from './probe-support.ts'

const PASSWORD = 's3cret-word'
const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-hostile-'))
  cleanUps.push(() => rmSync(folder, { recursive: true }))
  return folder
}

function proberOf(at: { host: string; port: number }, access: Partial<MonitorAccess> = {}): TestProber {
  const prober = probeServer({ name: 'node1', ...at }, { password: PASSWORD, ...access })
  cleanUps.push(prober.close)
  return prober
}

async function probe(script: Script, access: Partial<MonitorAccess> = {}): Promise<Observation> {
  const server = await startFakePostgres(script)
  cleanUps.push(server.close)
  return await proberOf({ host: '127.0.0.1', port: server.port }, access).ask()
}

/** AuthenticationCleartextPassword, and what comes back. */
function askForPassword(heard: string[]): (socket: Socket | TLSSocket) => void {
  return (socket) => {
    socket.write(message('R', Buffer.from([0, 0, 0, 3])))
    socket.on('data', (reply: Buffer) => {
      heard.push(reply.toString('latin1'))
      socket.end(errorMessage('28P01', `not ${reply.toString('latin1', 5)}`.replace('\0', '')))
    })
  }
}

/** Takes the SSLRequest, shows a certificate of `ca`, and asks for the password within TLS. */
async function startTlsServer(ca: CertificateAuthority, heard: string[]): Promise<{ host: string; port: number }> {
  const { cert, key } = ca.issue('server')
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, cert, key })
      secure.on('error', () => undefined)
      secure.once('data', () => askForPassword(heard)(secure))
    })
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  cleanUps.push(() => new Promise((resolve) => server.close(resolve)))
  return { host: 'localhost', port: (server.address() as { port: number }).port }
}

describe('the password of the monitoring role', () => {
  it('is not given in clear text to whoever asks for it by plain TCP', async () => {
    const heard: string[] = []
    const observation = await probe(askForPassword(heard))
    expect(observation).toMatchObject({ failure: 'auth', detail: expect.stringContaining('clear text') })
    expect(heard.join()).not.toContain(PASSWORD)
  })

  it.each(['prefer', 'require'] as const)(
    'is not given in clear text over TLS that %s leaves unverified',
    async (sslmode) => {
      const heard: string[] = []
      const server = await startTlsServer(new CertificateAuthority(temporaryFolder()), heard)
      expect(await proberOf(server, { sslmode }).ask()).toMatchObject({ failure: 'auth' })
      expect(heard.join()).not.toContain(PASSWORD)
    },
  )

  it('is given to a server whose certificate was verified, and never shown when that one sends it back', async () => {
    const heard: string[] = []
    const ca = new CertificateAuthority(temporaryFolder())
    const server = await startTlsServer(ca, heard)
    const access = { sslmode: 'verify-full', sslrootcert: ca.certFile } as const
    expect(await proberOf(server, access).ask()).toMatchObject({ failure: 'auth', detail: '28P01: not ***' })
    expect(heard.join()).toContain(PASSWORD)
  })

  it('is given over a Unix socket, which leaves this machine as little as its file does', async () => {
    const heard: string[] = []
    const folder = temporaryFolder()
    const server = await startFakePostgres(askForPassword(heard), folder)
    cleanUps.push(server.close)
    expect(await proberOf({ host: folder, port: server.port }).ask()).toMatchObject({ detail: '28P01: not ***' })
    expect(heard.join()).toContain(PASSWORD)
  })
})

/** The server's side of SCRAM-SHA-256, as honest as it is told to be. @see RFC 5802, RFC 7677 */
function scram(lie: { iterations?: number; password?: string; skipsProof?: boolean }): Script {
  const iterations = lie.iterations ?? 4096
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
  return (socket) => {
    socket.write(message('R', Buffer.concat([Buffer.from([0, 0, 0, 10]), Buffer.from('SCRAM-SHA-256\0\0')])))
    socket.once('data', (initial: Buffer) => {
      const bare = initial.toString('latin1').split(',,')[1] ?? ''
      const salt = createHash('md5').update('salt').digest()
      const challenge = `${bare.replace(/^n=[^,]*,/, '')}server,s=${salt.toString('base64')},i=${iterations}`
      socket.write(message('R', Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from(challenge)])))
      socket.once('data', (final: Buffer) => {
        const withoutProof = final.toString('latin1', 5).replace(/,p=.*$/s, '')
        const salted = pbkdf2Sync(lie.password ?? PASSWORD, salt, iterations, 32, 'sha256')
        const signature = hmac(hmac(salted, 'Server Key'), `${bare},${challenge},${withoutProof}`).toString('base64')
        const proof = message('R', Buffer.concat([Buffer.from([0, 0, 0, 12]), Buffer.from(`v=${signature}`)]))
        if (lie.skipsProof !== true) socket.write(proof)
        servePrimary()(socket, final, 1)
      })
    })
  }
}

describe('SCRAM', () => {
  it('lets in a server that knows the password', async () => {
    expect(await probe(scram({}))).toMatchObject({ kind: 'answered' })
  })

  it('unmasks a server that does not', async () => {
    const observation = await probe(scram({ password: 'a guess' }))
    expect(observation).toMatchObject({ failure: 'auth', detail: expect.stringContaining('signature') })
  })

  it('unmasks a server that leaves its own proof out', async () => {
    const observation = await probe(scram({ skipsProof: true }))
    expect(observation).toMatchObject({ failure: 'auth', detail: expect.stringContaining('proof') })
  })

  it('works for nobody who asks for minutes of it: the threads that write the epoch would be busy', async () => {
    const observation = await probe(scram({ iterations: 2 ** 31 - 1 }))
    expect(observation).toMatchObject({ failure: 'auth', detail: expect.stringContaining('iteration') })
  })
})

describe('a server that does not stop talking', () => {
  /** Writes `piece` as fast as it is taken, until the probe hangs up; `sent` is what was taken. */
  function flood(socket: Socket, piece: Buffer, sent: { bytes: number }): void {
    const write = (): void => {
      if (socket.destroyed) return
      sent.bytes += piece.length
      socket.write(piece, () => setImmediate(write))
    }
    write()
  }
  const row = message('D', Buffer.concat([Buffer.from([0, 1, 0, 0, 0xff, 0xff]), Buffer.alloc(65_535, 'x')]))
  const notice = errorMessage('01000', 'x'.repeat(4_000), { type: 'N', severity: 'WARNING' })
  const parameter = message('S', Buffer.from(`application_name\0${'x'.repeat(4_000)}\0`))

  it.each([
    ['rows as an answer', row],
    ['notices', notice],
    ['parameters', parameter],
  ])('is hung up on after a mebibyte or so of %s, long before its time is over', async (_, piece) => {
    const sent = { bytes: 0 }
    const observation = await probe(
      servePrimary((socket) => {
        // RowDescription; the other two may come at any time.
        socket.write(oneText('').subarray(0, 27), () => flood(socket, piece, sent))
        return true
      }),
      { timeoutMs: 60_000 },
    )
    expect(observation).toMatchObject({ failure: 'protocol', detail: expect.stringContaining('does not stop') })
    // What the kernel's buffers took counts as sent.
    expect(sent.bytes).toBeLessThan(32 * 1024 * 1024)
  })

  it('is hung up on between two questions as well', async () => {
    const server = await startFakePostgres(
      servePrimary((socket) => {
        socket.write(oneText(JSON.stringify(PRIMARY_ANSWER)), () => flood(socket, notice, { bytes: 0 }))
        return true
      }),
    )
    cleanUps.push(server.close)
    const prober = proberOf({ host: '127.0.0.1', port: server.port })
    expect(await prober.ask()).toMatchObject({ kind: 'answered' })
    await waitFor('the session to be given up', () => prober.events.some(({ kind }) => kind === 'lost'))
    await waitFor('the connection to be closed', () => server.openCount() === 0)
  })
})

describe('rows of repmgr.nodes', () => {
  const columns = { node_id: true, upstream_node_id: true, active: true, node_name: true, type: true, conninfo: true }
  const rowOf = (nodeId: number, nodeName = `node${nodeId}`): object => ({
    nodeId,
    nodeName,
    type: 'standby',
    active: true,
    upstreamNodeId: 1,
    conninfo: `host=10.0.0.${nodeId % 250}`,
  })

  /** What the probe makes of these rows. */
  async function read(repmgrRows: readonly object[]): Promise<unknown> {
    const observation = await probe((socket) => {
      socket.write(LOGGED_IN)
      socket.on('data', (request: Buffer) => {
        const isFirst = request.includes('serverVersion')
        const capabilities = { ...CAPABILITIES, schemaUsage: true, columns }
        socket.write(oneText(JSON.stringify(isFirst ? capabilities : { ...PRIMARY_ANSWER, repmgrRows })))
      })
    })
    return observation.kind === 'answered' ? observation.answer.repmgr : observation
  }

  it('are read as they are when there are as many as a cluster has', async () => {
    const rows = Array.from({ length: 64 }, (_, index) => rowOf(index + 1))
    expect(await read(rows)).toMatchObject({ kind: 'rows', rows: { length: 64 } })
  })

  it('are not read when there are more than any cluster has: each would be dialled', async () => {
    const rows = Array.from({ length: 65 }, (_, index) => rowOf(index + 1))
    expect(await read(rows)).toMatchObject({ kind: 'denied', missing: expect.stringContaining('more than 64') })
  })

  it.each([
    ['without end', 'x'.repeat(256)],
    ['with an escape sequence', 'node\u001b[2J'],
    ['with a line break', 'node2\nMAINPID=1'],
    ['that is empty', ''],
  ])('are not read when one has a name %s', async (_, name) => {
    expect(await read([rowOf(1), rowOf(2, name)])).toMatchObject({ kind: 'denied' })
  })
})
