/**
 * TLS of the monitoring session, by libpq's modes. Effect layer. It asks for TLS, takes the server's one-byte answer
 * and does the handshake; which connection to try next is monitor-session.ts.
 *
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
import { readFile } from 'node:fs/promises'
import { isIP, type Socket } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { buildSslRequest } from '../protocol/startup-packet.ts'
import { asServerError, classifyFailure, isTlsFailure, ProbeError } from './classify-failure.ts'
import { printable } from './first-bytes.ts'
import type { MonitorAccess, ProbeStage } from './monitor-access.ts'

/** One way to connect. `if-offered`: TLS when the server answers `S`, plain on the same connection when `N`. */
export type TlsAttempt = 'plain' | 'if-offered' | 'must'

/** What to connect with, in order; the next one only after a failure that `mayTryNextAttempt` names. */
export function planTlsAttempts(sslmode: MonitorAccess['sslmode'], host: string): readonly TlsAttempt[] {
  if (host.startsWith('/')) return ['plain']
  switch (sslmode) {
    case 'disable':
      return ['plain']
    case 'allow':
      return ['plain', 'must']
    case 'prefer':
      return ['if-offered', 'plain']
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return ['must']
    default:
      return sslmode satisfies never
  }
}

/**
 * libpq goes on to the next attempt when the handshake failed, or the server refused the log-in for the way it came:
 * 28000, which is what `hostssl` and `hostnossl` lines of pg_hba.conf give. A silent or absent server has no next one.
 */
export function mayTryNextAttempt(error: unknown, stage: ProbeStage): boolean {
  if (isTlsFailure(error)) return true
  if (asServerError(error)?.code === '28000') return true
  return stage === 'tls' && classifyFailure(error).failure === 'reset'
}

/**
 * The options for the handshake with `host`, reading the root certificate anew. Without a root certificate, `require`
 * and below verify nothing; with one, `require` is `verify-ca`, as in libpq. Throws ProbeError `auth` when the file
 * cannot be read.
 */
export async function loadTlsOptions(access: MonitorAccess, host: string): Promise<ConnectionOptions> {
  const { sslmode, sslrootcert } = access
  const named: ConnectionOptions = isIP(host) === 0 ? { host, servername: host } : { host }
  const verifies = sslmode === 'verify-ca' || sslmode === 'verify-full'
  const given = sslrootcert ?? null
  if (!verifies && (sslmode !== 'require' || given === null)) return { ...named, rejectUnauthorized: false }

  const trusted: ConnectionOptions = given === 'system' ? named : { ...named, ca: await readRootCertificate(given) }
  return sslmode === 'verify-full' ? trusted : { ...trusted, checkServerIdentity: () => undefined }
}

/**
 * Sends SSLRequest on a connected socket and resolves with the server's answer. Rejects with ProbeError for any other
 * answer, or for bytes behind the first: somebody put them there to be read as if they had come over TLS.
 * The caller keeps the socket, also after a rejection.
 */
export function requestTls(socket: Socket): Promise<'accepted' | 'declined'> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      socket.off('data', onData)
      socket.off('close', onClose)
      socket.off('error', reject)
      // The handshake, or the next reader, takes over from here: no byte may go by meanwhile.
      socket.pause()
      settle()
    }
    const onClose = () =>
      finish(() => reject(new ProbeError('reset', 'the server closed the connection when asked for TLS')))
    const onData = (chunk: Buffer) => {
      const answer = String.fromCharCode(chunk[0] ?? 0)
      if (chunk.length === 1 && answer === 'S') return finish(() => resolve('accepted'))
      if (chunk.length === 1 && answer === 'N') return finish(() => resolve('declined'))
      finish(() => reject(strangeAnswer(answer, chunk)))
    }
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.on('error', reject)
    socket.write(buildSslRequest())
  })
}

/**
 * The handshake over a socket whose server said `S`. Resolves once the certificate passed its checks; rejects with
 * Node's own error. The returned socket owns the given one; after a rejection both are destroyed.
 */
export function startTls(socket: Socket, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({ ...options, socket })
    secure.once('error', (error) => {
      socket.destroy()
      reject(error)
    })
    secure.once('close', () => reject(new ProbeError('reset', 'the connection ended in the TLS handshake')))
    secure.once('secureConnect', () => resolve(secure))
  })
}

function strangeAnswer(answer: string, chunk: Buffer): ProbeError {
  if (answer === 'S' || answer === 'N') {
    return new ProbeError('protocol', 'the server sent more than its one-byte answer to the TLS request')
  }
  // A postmaster that cannot fork says so here, in the form of protocol 2; libpq shows the text as it is.
  if (answer === 'E') return new ProbeError('too-many-connections', printable(chunk.subarray(1)))
  return new ProbeError('protocol', `not PostgreSQL: the TLS request was answered with "${printable(chunk)}"`)
}

async function readRootCertificate(path: string | null): Promise<Buffer> {
  const file = path ?? join(homedir(), '.postgresql', 'root.crt')
  try {
    return await readFile(file)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ProbeError('auth', `the root certificate cannot be read (monitor.sslrootcert): ${reason}`, { cause })
  }
}
