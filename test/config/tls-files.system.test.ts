import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TerminatedTls } from '../../src/config/config.ts'
import { readTlsFiles } from '../../src/config/tls-files.ts'
import { type Certificate, CertificateAuthority, opensslAvailable } from '../support/certificates.ts'
import { leftOut } from '../support/left-out.ts'

const DAY_MS = 24 * 60 * 60 * 1000

describe.skipIf(leftOut('files of TLS', opensslAvailable()))('readTlsFiles', () => {
  let folder: string
  let authority: CertificateAuthority
  let server: Certificate
  let other: Certificate

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-tls-files-'))
    authority = new CertificateAuthority(folder)
    server = authority.issue('server')
    other = authority.issue('other')
    chmodSync(server.keyFile, 0o600)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const read = (changes: Partial<TerminatedTls> = {}, now = new Date()) =>
    readTlsFiles(
      {
        mode: 'terminate',
        cert: server.certFile,
        key: server.keyFile,
        clientCa: null,
        require: true,
        minVersion: 'TLSv1.2',
        serverSslmode: 'disable',
        serverSslrootcert: null,
        ...changes,
      },
      now,
    )
  const faultsOf = async (changes: Partial<TerminatedTls>): Promise<readonly string[]> => {
    const files = await read(changes)
    return files.ok ? [] : files.faults.map(({ setting, problem }) => `${setting} ${problem.replaceAll(folder, '')}`)
  }
  const fileOf = (name: string, content: string | Buffer): string => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return path
  }

  it('gives what the files hold, and no warning for a good pair', async () => {
    const files = await read({ clientCa: authority.certFile, serverSslrootcert: 'system' })
    expect(files).toMatchObject({ ok: true, material: { serverCa: null, warnings: [] } })
    expect(files.ok && [files.material.cert, files.material.key, files.material.clientCa]).toEqual([
      server.cert,
      server.key,
      authority.cert,
    ])
  })

  it('tells of all files at once', async () => {
    expect(
      await faultsOf({
        cert: join(folder, 'none.crt'),
        key: folder,
        clientCa: fileOf('empty', ''),
        serverSslrootcert: fileOf('text', 'no certificate'),
      }),
    ).toEqual([
      'cert /none.crt cannot be read: no such file',
      'key  cannot be read: it is not a regular file',
      'client_ca /empty holds no certificate that can be read',
      'server_sslrootcert /text holds no certificate that can be read',
    ])
  })

  it('tells a key from a certificate, and from another one’s key', async () => {
    expect(await faultsOf({ key: server.certFile })).toEqual(['key /server.crt holds no private key that can be read'])
    expect(await faultsOf({ key: other.keyFile })).toEqual([
      'key /other.key does not belong to the certificate in /server.crt',
    ])
  })

  it('takes the first certificate of a file for the proxy’s own', async () => {
    const chain = (...parts: readonly Buffer[]) => fileOf('chain.crt', Buffer.concat(parts))
    expect(await faultsOf({ cert: chain(server.cert, authority.cert) })).toEqual([])
    expect(await faultsOf({ cert: chain(authority.cert, server.cert) })).toEqual([
      'key /server.key does not belong to the certificate in /chain.crt',
    ])
  })

  it('says that a key is encrypted', async () => {
    const args = ['pkcs8', '-topk8', '-in', server.keyFile, '-out', join(folder, 'encrypted.key'), '-passout', 'pass:x']
    execFileSync('openssl', args, { stdio: 'pipe' })
    expect(await faultsOf({ key: join(folder, 'encrypted.key') })).toEqual([
      'key /encrypted.key is encrypted with a passphrase',
    ])
  })

  it.each([
    ['has expired', 3, /^\/server\.crt has expired on \d{4}-\d\d-\d\d$/],
    ['is not valid yet', -3, /^\/server\.crt is valid from \d{4}-\d\d-\d\d on$/],
  ])('warns of a certificate that %s', async (_, days, expected) => {
    const files = await read({}, new Date(Date.now() + days * DAY_MS))
    const problems = files.ok ? files.material.warnings.map(({ problem }) => problem.replaceAll(folder, '')) : []
    expect(problems).toEqual([expect.stringMatching(expected)])
  })

  it('warns of a key that others may read, and says how to put it right', async () => {
    const open = fileOf('open.key', server.key)
    chmodSync(open, 0o644)
    const files = await read({ key: open })
    expect(files.ok && files.material.warnings).toMatchObject([
      {
        setting: 'key',
        problem: `${open} can be read by others (mode 0644)`,
        expected: expect.stringMatching(/^chmod 06[04]0 /),
      },
    ])
  })
})
