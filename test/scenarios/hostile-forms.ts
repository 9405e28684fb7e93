/**
 * Hostile and broken input in plain, form by form: what is sent, what the proxy answers, how the session is counted. Test
 * support: p7-*.pg.test.ts sends each to a real proxy, and docs/hostile-input.md is this table for people. TLS that ends
 * at the proxy: hostile-tls-forms.ts.
 */
import { randomBytes } from 'node:crypto'
import type { CloseReasonKind } from '../../src/session/close-reason.ts'
import { TCP4, TCP4_V2, V2_LOCAL, V2_PROXY, version1, version2 } from '../protocol/proxy-header-bytes.ts'
import { firstPacket, int32, parameters } from '../protocol/wire-bytes.ts'
import { HOLD_QUEUE_FULL, NO_PRIMARY, TOO_MANY_CLIENTS } from './promised-words.ts'
import { GSSENC_REQUEST, SSL_REQUEST, startupMessage } from './raw-client.ts'

/** A row of the table. */
export interface HostileForm {
  readonly name: string
  /** `SQLSTATE message` of the FATAL error; `null`: nothing is said. */
  readonly told: string | null
  readonly counted: CloseReasonKind
}

export interface PlainForm extends HostileForm {
  readonly listener?: 'passthrough' | 'off'
  readonly bytes: Buffer
  /** Letters that answer encryption requests, before anything else. */
  readonly letters?: string
}

/** One request after the other, as each is answered. */
export interface Sequence extends PlainForm {
  readonly next: Buffer
}

export const LOGIN = startupMessage({ user: 'postgres', database: 'einvoice' })
export const CLIENT_HELLO = Buffer.from('1603010200010001fc0303', 'hex')
export const CANCEL_CODE = 80_877_102

export const malformed = (problem: string): Pick<HostileForm, 'told' | 'counted'> => ({
  told: `08P01 invalid startup packet: ${problem}`,
  counted: 'malformed-startup',
})
const OUT_OF_BOUNDS = malformed('length out of bounds')
const EARLY = { told: null, counted: 'early-bytes' } as const
const UNSUPPORTED = (version: string) =>
  ({
    told: `0A000 unsupported frontend protocol ${version}: server supports 3.x`,
    counted: 'unsupported-protocol',
  }) as const

export const FIRST_PACKETS: readonly PlainForm[] = [
  { name: 'garbage', bytes: Buffer.concat([Buffer.from([0x47]), randomBytes(5_000)]), ...OUT_OF_BOUNDS },
  { name: 'an HTTP request', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: db\r\n\r\n'), ...OUT_OF_BOUNDS },
  { name: 'a startup packet of more than 10,000 bytes', bytes: int32(10_005), ...OUT_OF_BOUNDS },
  { name: 'a length of zero', bytes: int32(0), ...OUT_OF_BOUNDS },
  { name: 'a negative length', bytes: int32(-1), ...OUT_OF_BOUNDS },
  { name: 'a length of 2 GiB', bytes: int32(0x7fffffff), ...OUT_OF_BOUNDS },
  {
    name: 'a startup packet without its terminator',
    bytes: firstPacket(196_608, 'user\0postgres'),
    ...malformed('expected terminator as last byte'),
  },
  { name: 'protocol 2.0', bytes: firstPacket(2 << 16, Buffer.alloc(288)), ...UNSUPPORTED('2.0') },
  { name: 'protocol 4.0', bytes: firstPacket(4 << 16, parameters(['user', 'postgres'])), ...UNSUPPORTED('4.0') },
  { name: 'bytes behind an SSLRequest', bytes: Buffer.concat([SSL_REQUEST, LOGIN]), ...EARLY },
  { name: 'TLS behind an SSLRequest', bytes: Buffer.concat([SSL_REQUEST, CLIENT_HELLO]), ...EARLY },
  { name: 'bytes behind a GSSENCRequest', bytes: Buffer.concat([GSSENC_REQUEST, LOGIN]), ...EARLY },
  {
    name: 'bytes behind an SSLRequest where TLS is off',
    listener: 'off',
    bytes: Buffer.concat([SSL_REQUEST, LOGIN]),
    ...EARLY,
  },
  { name: 'direct TLS where TLS is off', listener: 'off', bytes: CLIENT_HELLO, told: null, counted: 'tls-not-offered' },
  {
    name: 'an SSLRequest of another length',
    bytes: Buffer.concat([int32(9), int32(80_877_103), Buffer.alloc(1)]),
    ...malformed('wrong length of SSL request'),
  },
  {
    name: 'a GSSENCRequest of another length',
    bytes: Buffer.concat([int32(12), int32(80_877_104), Buffer.alloc(4)]),
    ...malformed('wrong length of GSSAPI encryption request'),
  },
  { name: 'a cancel without a key', bytes: firstPacket(CANCEL_CODE), ...malformed('wrong length of cancel request') },
  {
    name: 'a cancel with a key of 257 bytes',
    bytes: firstPacket(CANCEL_CODE, Buffer.alloc(4 + 257)),
    ...malformed('wrong length of cancel request'),
  },
  {
    name: 'a cancel with a wrong key',
    bytes: firstPacket(CANCEL_CODE, Buffer.concat([int32(12_345), randomBytes(4)])),
    told: null,
    counted: 'cancel-request',
  },
  {
    name: 'a cancel with a flood behind it',
    bytes: Buffer.concat([firstPacket(CANCEL_CODE, randomBytes(8)), Buffer.alloc(1_000_000)]),
    told: null,
    counted: 'cancel-request',
  },
]

export const SEQUENCES: readonly Sequence[] = [
  {
    name: 'a second GSSENCRequest',
    bytes: GSSENC_REQUEST,
    next: GSSENC_REQUEST,
    letters: 'N',
    ...malformed('second GSSENCRequest'),
  },
  {
    name: 'a second SSLRequest',
    listener: 'off',
    bytes: SSL_REQUEST,
    next: SSL_REQUEST,
    letters: 'N',
    ...malformed('second SSLRequest'),
  },
  {
    name: 'TLS after it was declined',
    listener: 'off',
    bytes: SSL_REQUEST,
    next: CLIENT_HELLO,
    letters: 'N',
    ...OUT_OF_BOUNDS,
  },
  {
    name: 'garbage after GSS was declined',
    bytes: GSSENC_REQUEST,
    next: Buffer.concat([Buffer.from([0x7a]), randomBytes(3_000)]),
    letters: 'N',
    ...OUT_OF_BOUNDS,
  },
]

/** Sent by a client that is logged in: for the server to judge. */
export const AFTER_LOGIN: readonly PlainForm[] = [
  {
    name: 'a message of unknown type',
    bytes: Buffer.concat([Buffer.from([0xff]), int32(4)]),
    told: '08P01 invalid frontend message type 255',
    counted: 'finished',
  },
  {
    name: 'a message with a length of 2 GiB',
    bytes: Buffer.concat([Buffer.from('Q'), int32(0x7fffffff)]),
    // PostgreSQL tells its log only, and closes.
    told: '08006 server closed the connection unexpectedly',
    counted: 'backend-lost',
  },
]

/** Too slow, where `limits.startup_timeout` is the limit. */
export const TOO_SLOW: readonly PlainForm[] = [
  { name: 'nothing', bytes: Buffer.alloc(0), told: null, counted: 'startup-timeout' },
  { name: 'half a startup packet', bytes: LOGIN.subarray(0, 20), told: null, counted: 'startup-timeout' },
  {
    name: 'half a cancel',
    bytes: firstPacket(CANCEL_CODE, Buffer.alloc(8)).subarray(0, 12),
    told: null,
    counted: 'startup-timeout',
  },
]

/** More than there may be. */
export const TOO_MANY: HostileForm = {
  name: 'a session beyond `limits.max_sessions`',
  told: `53300 ${TOO_MANY_CLIENTS}`,
  counted: 'too-many-sessions',
}

export const TOO_MANY_FROM_ADDRESS: HostileForm = {
  name: 'a session beyond `limits.max_sessions_per_address`',
  told: '53300 too many connections from this address',
  counted: 'too-many-from-address',
}

/** What clients do that wait for a primary. */
export const HELD: readonly (PlainForm & { readonly next: Buffer; readonly fin?: true })[] = [
  { name: 'bytes behind an SSLRequest', bytes: SSL_REQUEST, next: LOGIN, ...EARLY },
  { name: 'a FIN', bytes: LOGIN, next: Buffer.alloc(0), fin: true, told: null, counted: 'client-left-early' },
  {
    name: 'a flood of 64 MiB',
    bytes: LOGIN,
    next: Buffer.alloc(64 * 1024 * 1024, 'flood'),
    told: `57P03 ${NO_PRIMARY}`,
    counted: 'hold-expired',
  },
]

export const TOO_MANY_HELD: HostileForm = {
  name: 'a session beyond `hold.max_sessions`',
  told: `57P03 ${HOLD_QUEUE_FULL}`,
  counted: 'hold-queue-full',
}

const noHeader = { told: null, counted: 'no-proxy-header' } as const

/** What a trusted load balancer sends where its header should be. */
export const NO_HEADERS: readonly PlainForm[] = [
  { name: 'no header', bytes: LOGIN, ...noHeader },
  { name: 'direct TLS without a header', bytes: CLIENT_HELLO, ...noHeader },
  { name: 'garbage', bytes: Buffer.alloc(70_000, 'Zz'), ...noHeader },
  { name: 'a malformed line', bytes: version1('TCP4 203.0.113.7 192.0.2.1 56324'), ...noHeader },
  { name: 'a line without an end', bytes: Buffer.alloc(10_000, 'PROXY UNKNOWN '), ...noHeader },
  { name: 'version 2 with a length of 64 KiB', bytes: version2(V2_LOCAL, 0, Buffer.alloc(65_535)), ...noHeader },
  { name: 'version 2 with an unknown command', bytes: version2(0x2f, 0x11, TCP4_V2.subarray(16)), ...noHeader },
  { name: 'version 2 too short for its addresses', bytes: version2(V2_PROXY, 0x21, TCP4_V2.subarray(16)), ...noHeader },
  { name: 'half a header and nothing more', bytes: TCP4.subarray(0, 20), ...noHeader },
  { name: 'half a binary header and nothing more', bytes: TCP4_V2.subarray(0, 20), ...noHeader },
  { name: 'nothing at all', bytes: Buffer.alloc(0), ...noHeader },
  { name: 'a second header', bytes: Buffer.concat([TCP4, TCP4, LOGIN]), ...OUT_OF_BOUNDS },
]

/** What others send there: to them the header is a startup packet like any other. */
export const STRANGERS: readonly PlainForm[] = [
  { name: 'a header of version 1', bytes: Buffer.concat([TCP4, LOGIN]), ...OUT_OF_BOUNDS },
  { name: 'a header of version 2', bytes: Buffer.concat([TCP4_V2, LOGIN]), ...OUT_OF_BOUNDS },
]
