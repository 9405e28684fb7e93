/** What a client and a server say before the relay: first packet, greeting, login. Fuzz targets. */
import { isDeepStrictEqual } from 'node:util'
import {
  type FirstPacketResult,
  parseFirstPacket,
  STARTUP_PACKET_BYTES_MAX,
} from '../../../src/protocol/startup-packet.ts'
import { type CloseReason, farewellFor } from '../../../src/session/close-reason.ts'
import { Greeting } from '../../../src/session/greeting.ts'
import {
  LOGIN_KEPT_BYTES_MAX,
  LOGIN_MESSAGE_BYTES_MAX,
  type LoginStep,
  LoginWatch,
} from '../../../src/session/login-watch.ts'
import { surroundings } from '../../protocol/wire-bytes.ts'
import { cutBy, splitLead } from '../byte-reader.ts'
import { ensure, type FuzzTarget } from '../target.ts'
import {
  AUTHENTICATION_OK,
  BACKEND_WORDS,
  CANCEL_REQUEST,
  CLIENT_HELLO,
  FRONTEND_WORDS,
  GSSENC_REQUEST,
  IN_HOT_STANDBY,
  LEAD,
  LOGIN_BYTES,
  PASSWORD_REQUEST,
  SSL_REQUEST,
  STARTUP,
  STARTUP_3_2,
} from './wire-words.ts'

const startupPacket: FuzzTarget = {
  name: 'startup-packet',
  oracle:
    'the verdict is the same at every cut once it is final, reads nothing beyond its bytes, and agrees with a naive reading',
  covers: ['src/protocol/startup-packet.ts'],
  inputBytesMax: 12_000,
  seeds: [STARTUP, STARTUP_3_2, SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST, CLIENT_HELLO],
  dictionary: FRONTEND_WORDS,
  run: (input) => {
    for (const directTlsAllowed of [true, false]) {
      const whole = parseFirstPacket(input, { directTlsAllowed })
      const views = input.length < 600 ? surroundings(input) : []
      for (const view of views) {
        ensure(
          isDeepStrictEqual(parseFirstPacket(view, { directTlsAllowed }), whole),
          'nothing is read beyond the bytes',
        )
      }
      let final: FirstPacketResult | null = null
      for (const cut of cutsOf(input)) {
        const result = parseFirstPacket(input.subarray(0, cut), { directTlsAllowed })
        ensure(final === null || isDeepStrictEqual(result, final), 'what is final stays as it is')
        if (result.kind !== 'incomplete') final = result
        else ensure(cut < STARTUP_PACKET_BYTES_MAX, 'no more than a legal packet is awaited')
      }
      checkPacket(input, whole)
    }
  },
}

function cutsOf(input: Buffer): number[] {
  const step = Math.max(1, Math.floor(input.length / 64))
  const cuts = Array.from({ length: Math.floor(input.length / step) + 1 }, (_, index) => index * step)
  return [...new Set([...cuts, input.length])].sort((a, b) => a - b)
}

function checkPacket(input: Buffer, result: FirstPacketResult): void {
  if (result.kind !== 'packet') return
  const length = input.readInt32BE(0)
  ensure(result.bytes.equals(input.subarray(0, length)), 'the packet is as long as it says')
  const { packet } = result
  if (packet.kind === 'cancel-request')
    ensure(packet.key === input.toString('latin1', 8, length), 'the key is all of it')
  if (packet.kind !== 'startup-message') return
  ensure(
    input.readUInt16BE(4) === 3 && input.readUInt16BE(6) === packet.protocolMinor,
    'the version is that of the packet',
  )
  const words = input.toString('latin1', 8, length).split('\0')
  ensure(
    words.length % 2 === 0 && words.at(-1) === '' && words.at(-2) === '',
    'pairs, then a zero byte that is the last',
  )
  const expected = new Map<string, string>()
  for (let index = 0; index + 1 < words.length - 2; index += 2) {
    expected.set(utf8(words[index] ?? ''), utf8(words[index + 1] ?? ''))
  }
  ensure(isDeepStrictEqual(new Map(packet.parameters), expected), 'the parameters are those of a naive reading')
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8')
}

/** What a listener may be told to do, chosen by the three high bits of an input. */
const MODES = [
  { tlsMode: 'passthrough' },
  { tlsMode: 'passthrough', awaitsProxyHeader: true },
  { tlsMode: 'off' },
  { tlsMode: 'off', awaitsProxyHeader: true },
  { tlsMode: 'terminate' },
  { tlsMode: 'terminate', requiresTls: true },
  { tlsMode: 'terminate', awaitsProxyHeader: true },
  { tlsMode: 'terminate', requiresTls: true, awaitsProxyHeader: true },
] as const satisfies readonly ConstructorParameters<typeof Greeting>[0][]

const PROXY_HEADER = Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 12345 5432\r\n')

const greeting: FuzzTarget = {
  name: 'greeting',
  oracle:
    'ends in one request, cancel or refusal; a request is the tail of what was sent; TLS and PROXY header only where due, and once',
  covers: ['src/session/greeting.ts', 'src/session/close-reason.ts', 'src/protocol/farewells.ts'],
  inputBytesMax: 12_000,
  seeds: [
    Buffer.concat([Buffer.of(0), STARTUP]),
    Buffer.concat([Buffer.of(8, 7, 7, 7, 7, 7, 7, 7, 7), GSSENC_REQUEST, SSL_REQUEST, STARTUP]),
    Buffer.concat([Buffer.of(2, 7, 7), SSL_REQUEST, CLIENT_HELLO]),
    Buffer.concat([Buffer.of(0), CANCEL_REQUEST]),
    Buffer.concat([Buffer.of(0x20), PROXY_HEADER, STARTUP]),
    Buffer.concat([Buffer.of(0x81, 7), SSL_REQUEST, STARTUP]),
    Buffer.concat([Buffer.of(0xa0), CLIENT_HELLO, STARTUP]),
    Buffer.concat([Buffer.of(0xe0), PROXY_HEADER, CANCEL_REQUEST]),
  ],
  dictionary: [...FRONTEND_WORDS, PROXY_HEADER, 'PROXY UNKNOWN\r\n'],
  run: (input) => {
    const { lead, body } = splitLead(input)
    const mode: ConstructorParameters<typeof Greeting>[0] = MODES[(input[0] ?? 0) >> 5] ?? MODES[0]
    const session = new Greeting(mode)
    let given = 0
    const seen = { declines: 0, introduced: false, encrypted: false, askedServer: false }
    for (const piece of cutBy(lead, body)) {
      given += piece.length
      let step = session.take(Buffer.from(piece))
      if (step.kind === 'introduced') {
        ensure(mode.awaitsProxyHeader === true && !seen.introduced, 'a PROXY header is taken where it is due, once')
        seen.introduced = true
        step = session.take()
      }
      switch (step.kind) {
        case 'incomplete':
          for (const cause of ['timeout', 'end'] as const) checkWords(session.unfinished(cause))
          continue
        case 'decline':
          seen.declines += 1
          ensure(seen.declines <= 2, 'it declines each kind of encryption once')
          continue
        case 'refuse':
          return checkWords(step.reason)
        case 'start-tls':
          ensure(mode.tlsMode === 'terminate' && !seen.encrypted, 'TLS begins where it ends here, once')
          seen.encrypted = true
          session.encrypted()
          continue
        case 'cancel':
          return ensure(body.subarray(0, given).includes(step.bytes), 'a cancel is relayed as it came')
        case 'request': {
          const { kind, bytes } = step.request
          ensure(
            body.subarray(given - bytes.length, given).equals(bytes),
            'the request is what was sent last, unchanged',
          )
          ensure(mode.awaitsProxyHeader !== true || seen.introduced, 'nothing counts before a PROXY header')
          ensure(mode.requiresTls !== true || seen.encrypted, 'no session begins in plain where TLS is required')
          if (kind !== 'ssl-request') return
          ensure(
            mode.tlsMode === 'passthrough' && bytes.length === 8 && !seen.askedServer,
            'an SSLRequest goes alone, once',
          )
          // The server declined it.
          seen.askedServer = true
          continue
        }
        default:
          return ensure(false, 'there is no other step')
      }
    }
  },
}

function checkWords(reason: CloseReason): void {
  const words = farewellFor(reason)
  ensure(words === null || /^[\x20-\x7e]+$/.test(words.message), 'no byte of the client is in the answer')
}

const loginWatch: FuzzTarget = {
  name: 'login-watch',
  oracle:
    'what it hands out is the stream, byte for byte and in order; the outcome is the same however it is cut; it keeps a bounded part',
  covers: ['src/session/login-watch.ts', 'src/protocol/'],
  inputBytesMax: 1024,
  seeds: [
    Buffer.concat([LEAD, LOGIN_BYTES]),
    Buffer.concat([LEAD, PASSWORD_REQUEST, LOGIN_BYTES, Buffer.from('more')]),
    Buffer.concat([LEAD, AUTHENTICATION_OK, IN_HOT_STANDBY]),
    Buffer.concat([LEAD, PASSWORD_REQUEST, IN_HOT_STANDBY]),
  ],
  dictionary: BACKEND_WORDS,
  run: (input) => {
    const { lead, body } = splitLead(input)
    // The first byte's high bits: sessions that may be on a standby, and a stream long enough to be too much to keep.
    const refusesRecovery = ((input[0] ?? 0) & 0x80) === 0
    const stream = ((input[0] ?? 0) & 0x60) === 0x60 ? repeated(body) : body
    const cut = watch([...cutBy(lead, stream)], refusesRecovery)
    const whole = watch([stream], refusesRecovery)
    ensure(cut.last === whole.last, 'the outcome does not depend on how the stream is cut')
    ensure(cut.isBound === whole.isBound && cut.refusal === whole.refusal, 'nor does what is known of it')
    for (const { out, last } of [cut, whole]) {
      ensure(out.equals(stream.subarray(0, out.length)), 'what is handed out is a prefix of the stream')
      if (last === 'ready') ensure(out.length === stream.length, 'once ready, all that came is handed out')
    }
  },
}

function repeated(body: Buffer): Buffer {
  if (body.length === 0) return body
  return Buffer.concat(Array.from({ length: Math.ceil((LOGIN_KEPT_BYTES_MAX + 2_000) / body.length) }, () => body))
}

function watch(pieces: readonly Buffer[], refusesRecovery: boolean) {
  const login = new LoginWatch({ refusesRecovery })
  const out: Buffer[] = []
  let last: LoginStep['kind'] | 'none' = 'none'
  let given = 0
  for (const piece of pieces) {
    given += piece.length
    if (last !== 'none' && last !== 'relay') {
      if (last === 'unreadable' || last === 'ready') out.push(piece)
      continue
    }
    for (const step of login.push(Buffer.from(piece))) {
      ensure(last === 'none' || last === 'relay', 'nothing follows what is final')
      last = step.kind
      if (step.kind === 'relay' || step.kind === 'unreadable') out.push(...step.bytes)
      if (step.kind === 'ready') out.push(...step.bytes, step.rest)
      if (step.kind === 'in-recovery') ensure(step.unseen === !login.isBound, 'unseen until something was relayed')
    }
    const handedOut = out.reduce((sum, { length }) => sum + length, 0)
    const isGoing = last === 'none' || last === 'relay'
    const keptMax = LOGIN_KEPT_BYTES_MAX + 2 * LOGIN_MESSAGE_BYTES_MAX + piece.length
    ensure(!isGoing || given - handedOut <= keptMax, 'it keeps a bounded part of the stream')
  }
  return { out: Buffer.concat(out), last, isBound: login.isBound, refusal: login.refusal }
}

export const GREETING_TARGETS = [startupPacket, greeting, loginWatch]
