/**
 * Hostile and broken input where TLS ends at the proxy, form by form: what a client does, what it hears, how its session
 * is counted. Test support: p7-hostile-tls.pg.test.ts does each to a real proxy, docs/hostile-input.md is this table.
 */
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { TlsClient } from '../net/tls-client.ts'
import { TCP4 } from '../protocol/proxy-header-bytes.ts'
import { frameNaively } from '../protocol/wire-bytes.ts'
import type { Certificate } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { CLIENT_HELLO, type HostileForm, LOGIN, malformed } from './hostile-forms.ts'
import { RawClient, SSL_REQUEST } from './raw-client.ts'

/** The listeners of the stage. `strict` has a `client_ca`. */
export type TlsListener = 'terminate' | 'required' | 'strict'

export interface Target {
  readonly port: number
  /** By an authority that the listener does not know. */
  readonly stranger: Certificate
}

/** What came up to the end, and whether TLS said that it will not do. */
export interface Heard {
  readonly words: Buffer
  readonly hasAlert: boolean
}

export interface TlsForm extends HostileForm {
  readonly listener: TlsListener
  /** An alert of TLS is all the answer. */
  readonly alert?: true
  readonly attack: (target: Target) => Promise<Heard>
}

const ALERT = 0x15
const NOTHING = Buffer.alloc(0)
const DIRECT: ConnectionOptions = { ALPNProtocols: ['postgresql'] }

/** Asks for TLS, then sends what is no handshake. `fin`: and closes its side. */
function insteadOfHandshake(bytes: Buffer, fin = false): TlsForm['attack'] {
  return async ({ port }) => {
    const client = await RawClient.connect({ host: '127.0.0.1', port })
    client.send(SSL_REQUEST)
    await client.waitForBytes(1)
    client.send(bytes)
    if (fin) client.socket.end()
    return await rawEnd(client, 1)
  }
}

/** Sends this and nothing more. */
function inPlain(bytes: Buffer, fin = false): TlsForm['attack'] {
  return async ({ port }) => {
    const client = await RawClient.connect({ host: '127.0.0.1', port })
    client.send(bytes)
    if (fin) client.socket.end()
    return await rawEnd(client, 0)
  }
}

async function rawEnd(client: RawClient, letters: number): Promise<Heard> {
  const all = (await client.waitForEnd()).subarray(letters)
  client.destroy()
  const hasAlert = all[0] === ALERT
  return { words: hasAlert ? NOTHING : all, hasAlert }
}

/** Does the handshake as it likes, and says this inside. */
function within(
  words: Buffer,
  options: ConnectionOptions | ((target: Target) => ConnectionOptions) = {},
  isDirect = false,
): TlsForm['attack'] {
  return async (target) => {
    const own = typeof options === 'function' ? options(target) : options
    const client = isDirect ? TlsClient.direct(target.port, own) : await TlsClient.connect(target.port, own)
    if (words.length > 0) client.send(words)
    await client.ended()
    await waitFor('both sides to be closed', () => client.isClosed)
    return { words: client.received, hasAlert: isAlert(client.error) }
  }
}

/** Logs in, then does this to its own connection. */
function afterLogin(
  harm: (client: TlsClient, write: (bytes: Buffer) => void) => Promise<void> | void,
): TlsForm['attack'] {
  return async ({ port }) => {
    const socket = connectTcp({ host: '127.0.0.1', port })
    const client = await TlsClient.over(socket, { maxVersion: 'TLSv1.2' })
    client.send(LOGIN)
    await waitFor('ReadyForQuery', () => frameNaively(client.received).messages.some(({ type }) => type === 'Z'))
    const before = client.received.length
    await harm(client, (bytes) => socket.write(bytes))
    await waitFor('the end', () => client.isOver || socket.destroyed)
    client.socket.destroy()
    socket.destroy()
    return { words: client.received.subarray(before), hasAlert: isAlert(client.error) }
  }
}

/** OpenSSL's names for what the other side has said. */
function isAlert(error: string | null): boolean {
  return error !== null && /_ALERT_|NO_RENEGOTIATION/.test(error)
}

const noHandshake = { listener: 'terminate', told: null, counted: 'tls-handshake-failed' } as const
const noCertificate = {
  listener: 'strict',
  told: '28000 connection requires a valid client certificate',
  counted: 'client-certificate',
} as const

export const TLS_FORMS: readonly TlsForm[] = [
  { name: 'plain PostgreSQL after its S', ...noHandshake, attack: insteadOfHandshake(LOGIN) },
  {
    name: 'HTTP after its S',
    ...noHandshake,
    attack: insteadOfHandshake(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')),
  },
  { name: 'noise after its S', ...noHandshake, attack: insteadOfHandshake(Buffer.alloc(4_096, 0xa7)) },
  {
    name: 'a record longer than any',
    ...noHandshake,
    alert: true,
    attack: insteadOfHandshake(Buffer.concat([Buffer.from('160303ffff', 'hex'), Buffer.alloc(70_000)])),
  },
  {
    name: 'TLS 1.1 and no newer',
    ...noHandshake,
    alert: true,
    attack: within(NOTHING, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }),
  },
  { name: 'direct TLS without ALPN', ...noHandshake, attack: within(LOGIN, {}, true) },
  {
    name: 'direct TLS for another protocol',
    ...noHandshake,
    alert: true,
    attack: within(NOTHING, { ALPNProtocols: ['http/1.1'] }, true),
  },
  {
    name: 'a ClientHello that is cut off',
    listener: 'terminate',
    told: null,
    counted: 'client-left-early',
    attack: insteadOfHandshake(CLIENT_HELLO, true),
  },
  {
    name: 'a ClientHello behind the SSLRequest',
    listener: 'terminate',
    told: null,
    counted: 'early-bytes',
    attack: inPlain(Buffer.concat([SSL_REQUEST, CLIENT_HELLO])),
  },
  {
    name: 'a plain startup packet where TLS is required',
    listener: 'required',
    told: '28000 encryption is required: connect with TLS',
    counted: 'tls-required',
    attack: inPlain(LOGIN),
  },
  { name: 'no client certificate', ...noCertificate, attack: within(LOGIN) },
  {
    name: 'a client certificate of another authority',
    ...noCertificate,
    attack: within(LOGIN, ({ stranger }) => ({ cert: stranger.cert, key: stranger.key })),
  },
  {
    name: 'an SSLRequest within TLS',
    listener: 'terminate',
    ...malformed('SSLRequest within TLS'),
    attack: within(SSL_REQUEST),
  },
  {
    name: 'garbage within TLS',
    listener: 'terminate',
    ...malformed('length out of bounds'),
    attack: within(Buffer.alloc(4_096, 0xa7), DIRECT, true),
  },
  {
    name: 'a PROXY header within TLS',
    listener: 'terminate',
    ...malformed('length out of bounds'),
    attack: within(Buffer.concat([TCP4, LOGIN])),
  },
  {
    name: 'garbage under the TLS of a session',
    alert: true,
    listener: 'terminate',
    told: null,
    counted: 'client-lost',
    attack: afterLogin((_, write) => write(Buffer.from('garbage, garbage, garbage'))),
  },
  {
    name: 'renegotiation',
    alert: true,
    listener: 'terminate',
    told: null,
    counted: 'client-lost',
    attack: afterLogin(async ({ socket }) => {
      socket.renegotiate({}, () => undefined)
      await once(socket, 'error').catch(() => undefined)
      socket.destroy()
    }),
  },
]

const tooSlow = { listener: 'terminate', told: null, counted: 'startup-timeout' } as const

/** Too slow, where `limits.startup_timeout` is the limit. */
export const SLOW_TLS_FORMS: readonly TlsForm[] = [
  { name: 'nothing after its S', ...tooSlow, attack: insteadOfHandshake(NOTHING) },
  { name: 'half a ClientHello', ...tooSlow, attack: insteadOfHandshake(CLIENT_HELLO) },
  {
    name: 'a ClientHello byte by byte',
    ...tooSlow,
    attack: async ({ port }) => {
      const client = await RawClient.connect({ host: '127.0.0.1', port })
      client.send(CLIENT_HELLO)
      const drip = setInterval(() => client.send(Buffer.alloc(1)), 20)
      return await rawEnd(client, 0).finally(() => clearInterval(drip))
    },
  },
  { name: 'a handshake, and nothing within', ...tooSlow, attack: within(NOTHING) },
]
