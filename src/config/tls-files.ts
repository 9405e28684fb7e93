/**
 * Reads the files of a listener that terminates TLS, and says what is wrong with them before a client has to. The
 * effectful side of the `tls` section; nothing is cached, so that a renewed certificate is read by reading again.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { TerminatedTls } from './config.ts'
import { readBounded } from './read-bounded.ts'

/** A file of certificate authorities of a whole operating system has 200 KiB. */
const FILE_BYTES_MAX = 1024 * 1024

/** Which the file is, by its key in the `tls` section. */
export type TlsFileSetting = 'cert' | 'key' | 'client_ca' | 'server_sslrootcert'

export interface TlsFileFault {
  readonly setting: TlsFileSetting
  /** A predicate: it begins with the path and holds nothing of the file's content. */
  readonly problem: string
  readonly expected: string
}

/** What the files hold, in PEM, each checked, and the key known to belong to the certificate. */
export interface TlsMaterial {
  readonly cert: Buffer
  readonly key: Buffer
  readonly clientCa: Buffer | null
  /** `null`: none is given, or it is `system`. */
  readonly serverCa: Buffer | null
  readonly notAfter: Date
  /** What works and should not stay: a key that others may read, a certificate that has expired. */
  readonly warnings: readonly TlsFileFault[]
}

export type TlsFiles =
  | { readonly ok: true; readonly material: TlsMaterial }
  | { readonly ok: false; readonly faults: readonly TlsFileFault[] }

/** The files that `tls` names, `null` for those that are not given. */
export function tlsFilePaths(tls: TerminatedTls): Readonly<Record<TlsFileSetting, string | null>> {
  const { cert, key, clientCa, serverSslrootcert } = tls
  return {
    cert,
    key,
    client_ca: clientCa,
    server_sslrootcert: serverSslrootcert === 'system' ? null : serverSslrootcert,
  }
}

/** Never rejects: all that is wrong comes at once. `now`: to tell an expired certificate. */
export async function readTlsFiles(tls: TerminatedTls, now: Date): Promise<TlsFiles> {
  const faults: TlsFileFault[] = []
  const paths = tlsFilePaths(tls)
  const read = async (setting: TlsFileSetting, isGood: (bytes: Buffer) => TlsFileFault | null) => {
    const path = paths[setting]
    if (path === null) return null
    const file = await readBounded(path, FILE_BYTES_MAX)
    if (!file.ok) {
      faults.push({
        setting,
        problem: `${path} cannot be read: ${file.problem}`,
        expected: 'a PEM file that the user of the proxy may read',
      })
      return null
    }
    const bytes = Buffer.from(file.bytes)
    const fault = isGood(bytes)
    if (fault !== null) faults.push(fault)
    return fault === null ? bytes : null
  }
  const certificates = (setting: TlsFileSetting) => (bytes: Buffer) => checkCertificates(setting, paths[setting], bytes)
  const cert = await read('cert', certificates('cert'))
  const key = await read('key', (bytes) => checkKey(paths.key, bytes))
  const clientCa = await read('client_ca', certificates('client_ca'))
  const serverCa = await read('server_sslrootcert', certificates('server_sslrootcert'))
  if (cert !== null && key !== null) faults.push(...checkPair(tls, cert, key))
  if (cert === null || key === null || faults.length > 0) return { ok: false, faults }
  const notAfter = new X509Certificate(cert).validToDate
  const warnings = [...checkDates(tls.cert, cert, now), ...(await checkPermissions(tls.key))]
  return { ok: true, material: { cert, key, clientCa, serverCa, notAfter, warnings } }
}

function checkCertificates(setting: TlsFileSetting, path: string | null, bytes: Buffer): TlsFileFault | null {
  try {
    new X509Certificate(bytes)
    return null
  } catch {
    return { setting, problem: `${path} holds no certificate that can be read`, expected: 'certificates in PEM' }
  }
}

function checkKey(path: string | null, bytes: Buffer): TlsFileFault | null {
  try {
    createPrivateKey(bytes)
    return null
  } catch {
    // Either in its first line, or in a header behind that. OpenSSL only says that nobody gave it a passphrase.
    const isEncrypted = bytes.includes('ENCRYPTED')
    return {
      setting: 'key',
      problem: `${path} ${isEncrypted ? 'is encrypted with a passphrase' : 'holds no private key that can be read'}`,
      expected: 'a private key in PEM, without a passphrase',
    }
  }
}

function checkPair(tls: TerminatedTls, cert: Buffer, key: Buffer): readonly TlsFileFault[] {
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    return [
      {
        setting: 'key',
        problem: `${tls.key} does not belong to the certificate in ${tls.cert}`,
        expected: 'the key that the certificate was made for, and that certificate first in its file',
      },
    ]
  }
  try {
    createSecureContext({ cert, key, minVersion: tls.minVersion })
    return []
  } catch (error) {
    const { reason, message } = error as Error & { readonly reason?: string }
    return [
      {
        setting: 'cert',
        problem: `${tls.cert} cannot be used: ${reason ?? message}`,
        expected: 'a certificate as the TLS of today wants it',
      },
    ]
  }
}

function checkDates(path: string, cert: Buffer, now: Date): readonly TlsFileFault[] {
  const { validFromDate, validToDate } = new X509Certificate(cert)
  const day = (date: Date): string => date.toISOString().slice(0, 10)
  const expected = 'a certificate that is valid now: clients that check it stay away'
  if (now > validToDate) return [{ setting: 'cert', problem: `${path} has expired on ${day(validToDate)}`, expected }]
  if (now < validFromDate) {
    return [{ setting: 'cert', problem: `${path} is valid from ${day(validFromDate)} on`, expected }]
  }
  return []
}

/** PostgreSQL's rule: for nobody but its user; a key of root's may be readable for a group. */
async function checkPermissions(path: string): Promise<readonly TlsFileFault[]> {
  const found = await stat(path).catch(() => null)
  if (found === null || (found.mode & (found.uid === 0 ? 0o037 : 0o077)) === 0) return []
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  return [
    {
      setting: 'key',
      problem: `${path} can be read by others (mode ${mode})`,
      expected: `chmod ${found.uid === 0 ? '0640' : '0600'} ${path}`,
    },
  ]
}
