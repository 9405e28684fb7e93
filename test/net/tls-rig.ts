/** Certificates and rigs for sessions whose TLS ends here, shared by the tests of both sides. Test support. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecureVersion } from 'node:tls'
import { expect } from 'vitest'
import type { Termination } from '../../src/net/session-environment.ts'
import { TlsAcceptor } from '../../src/net/tls-acceptor.ts'
import { type Certificate, CertificateAuthority } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { type FakeConnection, LOGIN } from './fake-server.ts'
import { type RawClient, type SessionRig, STARTUP } from './session-rig.ts'
import type { TlsClient } from './tls-client.ts'

export interface Identities {
  readonly authority: CertificateAuthority
  readonly stranger: CertificateAuthority
  readonly server: Certificate
  readonly client: Certificate
  readonly strangersClient: Certificate
  readonly remove: () => void
}

/** Two authorities; the first one's certificates are good. */
export function makeIdentities(): Identities {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-certificates-'))
  const authority = new CertificateAuthority(folder)
  const stranger = new CertificateAuthority(folder, 'stranger')
  return {
    authority,
    stranger,
    server: authority.issue('server'),
    client: authority.issue('client', 'app'),
    strangersClient: stranger.issue('strangers-client', 'app'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export function terminate(
  { server }: Identities,
  options: Partial<Omit<Termination, 'acceptor'>> & {
    readonly clientCa?: Buffer
    readonly minVersion?: SecureVersion
  } = {},
): Termination {
  const { clientCa = null, minVersion = 'TLSv1.2', requiresTls = false, serverTls = null } = options
  const acceptor = new TlsAcceptor({ cert: server.cert, key: server.key, clientCa, minVersion })
  return { acceptor, requiresTls, serverTls }
}

/** Logs a client in on node1, as the `number`th connection there, and gives both ends. */
export async function logIn(rig: SessionRig, client: TlsClient | RawClient, number = 1): Promise<FakeConnection> {
  client.send(STARTUP)
  const server = await rig.server('node1').connection(number)
  await server.got(STARTUP)
  server.send(LOGIN)
  await client.got(LOGIN)
  return server
}

/** A plain session that is logged in already: whatever others do meanwhile, every byte of it goes through, both ways. */
export async function expectUnharmed(
  { client, server }: { readonly client: RawClient; readonly server: FakeConnection },
  whatOthersDo: () => Promise<void>,
): Promise<void> {
  const [sentBefore, gotBefore] = [server.receivedBytes, client.receivedBytes]
  const piece = Buffer.alloc(10_000, 'neighbour ')
  const framed = Buffer.concat([Buffer.from('d'), Buffer.alloc(4), piece])
  framed.writeInt32BE(piece.length + 4, 1)
  const rounds = 50
  let isOver = false
  const stream = async (): Promise<void> => {
    for (let round = 1; round <= rounds || !isOver; round += 1) {
      client.send(framed)
      server.send(framed)
      const isThrough = () =>
        client.receivedBytes >= gotBefore + round * framed.length &&
        server.receivedBytes >= sentBefore + round * framed.length
      await waitFor(`round ${round} of the neighbour`, isThrough, { intervalMs: 1 })
    }
  }
  await Promise.all([
    stream(),
    whatOthersDo().finally(() => {
      isOver = true
    }),
  ])
  for (const bytes of [client.received.subarray(gotBefore), server.received.subarray(sentBefore)]) {
    expect(bytes.equals(Buffer.concat(Array.from({ length: bytes.length / framed.length }, () => framed)))).toBe(true)
  }
}
