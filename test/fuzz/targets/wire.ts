/**
 * The parsers of src/protocol: each against its plainest possible second writing, and against itself with the same bytes
 * in other pieces. Fuzz targets.
 */
import { isDeepStrictEqual } from 'node:util'
import { needsAnswer, readAuthenticationCode, withoutChannelBinding } from '../../../src/protocol/authentication.ts'
import { readBackendKey } from '../../../src/protocol/backend-key-data.ts'
import { BoundaryTracker } from '../../../src/protocol/boundary-tracker.ts'
import { buildErrorResponse, parseErrorFields } from '../../../src/protocol/error-response.ts'
import { MessageFramer } from '../../../src/protocol/message-framer.ts'
import { readParameterStatus } from '../../../src/protocol/parameter-status.ts'
import { readTransactionStatus } from '../../../src/protocol/ready-for-query.ts'
import { SqlStateScanner } from '../../../src/protocol/sql-state-scanner.ts'
import { frameNaively, message, surroundings } from '../../protocol/wire-bytes.ts'
import { cutBy, splitLead } from '../byte-reader.ts'
import { ensure, type FuzzTarget } from '../target.ts'
import { BACKEND_WORDS, ERROR_FIELDS, LEAD, LOGIN_BYTES } from './wire-words.ts'

const FRAMER_BYTES_MAX = 300

const messageFramer: FuzzTarget = {
  name: 'message-framer',
  oracle: 'messages, rest and refusal are those of a naive framer, however the stream is cut',
  covers: ['src/protocol/message-framer.ts'],
  inputBytesMax: 1024,
  seeds: [Buffer.concat([LEAD, LOGIN_BYTES]), Buffer.concat([LEAD, message('D', Buffer.alloc(FRAMER_BYTES_MAX))])],
  dictionary: BACKEND_WORDS,
  run: (input) => {
    const { lead, body } = splitLead(input)
    const framer = new MessageFramer({ messageBytesMax: FRAMER_BYTES_MAX })
    const taken: Buffer[] = []
    const kept: { readonly view: Buffer; readonly copy: Buffer }[] = []
    let problem: string | null = null
    let given = 0
    for (const piece of cutBy(lead, body)) {
      if (problem === null) given += piece.length
      const chunk = Buffer.from(piece)
      for (const result of framer.push(chunk)) {
        if (result.kind === 'malformed') {
          problem = result.problem
          continue
        }
        ensure(problem === null, 'no message comes after malformed')
        ensure(result.bytes.length <= FRAMER_BYTES_MAX, 'no message is longer than the limit')
        ensure(result.bytes[0] === result.type && result.bytes.subarray(5).equals(result.payload), 'the views agree')
        taken.push(Buffer.from(result.bytes))
        kept.push({ view: result.bytes, copy: Buffer.from(result.bytes) })
      }
      chunk.fill(0xee)
    }
    ensure(
      kept.every(({ view, copy }) => view.equals(copy)),
      'what was given out is never written again',
    )
    const expected = frameWithin(body.subarray(0, given), FRAMER_BYTES_MAX)
    ensure(Buffer.concat(taken).equals(expected.taken), 'all whole messages come, in order')
    ensure((problem !== null) === expected.isMalformed, 'it is malformed when the stream is')
    ensure(framer.rest().equals(body.subarray(expected.taken.length, given)), 'the rest is what was not given out')
  },
}

function frameWithin(stream: Buffer, bytesMax: number): { readonly taken: Buffer; readonly isMalformed: boolean } {
  let offset = 0
  while (stream.length - offset >= 5) {
    const length = stream.readInt32BE(offset + 1)
    if (length < 4 || length + 1 > bytesMax) return { taken: stream.subarray(0, offset), isMalformed: true }
    if (stream.length - offset < length + 1) break
    offset += length + 1
  }
  return { taken: stream.subarray(0, offset), isMalformed: false }
}

const boundaryTracker: FuzzTarget = {
  name: 'boundary-tracker',
  oracle: 'boundary, transaction status and every SQLSTATE are those of a naive reading, however the stream is cut',
  covers: ['src/protocol/boundary-tracker.ts', 'src/protocol/sql-state-scanner.ts', 'src/protocol/ready-for-query.ts'],
  inputBytesMax: 1024,
  seeds: [
    Buffer.concat([LEAD, LOGIN_BYTES]),
    Buffer.concat([LEAD, message('E', ERROR_FIELDS), message('N', ERROR_FIELDS), message('Z', 'T')]),
  ],
  dictionary: BACKEND_WORDS,
  run: (input) => {
    const { lead, body } = splitLead(input)
    const seen: string[] = []
    const tracker = new BoundaryTracker({ onSqlState: (sqlState, type) => seen.push(`${type} ${sqlState}`) })
    for (const piece of cutBy(lead, body)) tracker.track(surroundedBy(0x43, piece))
    const { messages, rest, malformed } = frameNaively(body)
    ensure(tracker.malformed === malformed, 'it is malformed when a length below 4 was seen')
    ensure(
      tracker.atBoundary === (rest.length === 0 && !malformed),
      'it stands at a boundary when nothing is left over',
    )
    const errors = [...messages]
    // Of a message that is not complete yet the SQLSTATE counts, too.
    const header = rest.length >= 5 && !malformed ? rest.toString('latin1', 0, 1) : ''
    if (header !== '') errors.push({ type: header, payload: rest.subarray(5) })
    const expected = errors.flatMap(({ type, payload }) => {
      const sqlState = type === 'E' || type === 'N' ? naiveSqlState(payload) : null
      return sqlState === null ? [] : [`${type === 'E' ? 'error' : 'notice'} ${sqlState}`]
    })
    ensure(isDeepStrictEqual(seen, expected), 'it tells of every SQLSTATE once, in order')
    const lastReady = errors.findLast(({ type }) => type === 'Z')
    const status = header === 'Z' ? '' : (lastReady?.payload.toString('latin1') ?? '')
    ensure(
      tracker.transactionStatus === (/^[ITE]$/.test(status) ? status : null),
      'the status is that of the last ready',
    )
  },
}

/** The bytes as a view into others, so that reading beyond the view shows. */
function surroundedBy(poison: number, bytes: Buffer): Buffer {
  const surrounding = Buffer.alloc(bytes.length + 16, poison)
  bytes.copy(surrounding, 8)
  return surrounding.subarray(8, 8 + bytes.length)
}

/** The first field C of an error, if it is a whole SQLSTATE. */
function naiveSqlState(payload: Buffer): string | null {
  const text = payload.toString('latin1')
  let offset = 0
  while (offset < text.length && text[offset] !== '\0') {
    const end = text.indexOf('\0', offset + 1)
    if (end === -1) return null
    if (text[offset] === 'C') {
      const value = text.slice(offset + 1, end)
      return /^[0-9A-Z]{5}$/.test(value) ? value : null
    }
    offset = end + 1
  }
  return null
}

const sqlStateScanner: FuzzTarget = {
  name: 'sql-state-scanner',
  oracle: 'the SQLSTATE is that of a naive reading, given once, however the payload is cut',
  covers: ['src/protocol/sql-state-scanner.ts'],
  inputBytesMax: 512,
  seeds: [Buffer.concat([LEAD, Buffer.from(ERROR_FIELDS)])],
  dictionary: BACKEND_WORDS,
  run: (input) => {
    const { lead, body } = splitLead(input)
    const scanner = new SqlStateScanner()
    scanner.begin()
    const found: string[] = []
    for (const piece of cutBy(lead, body)) {
      const sqlState = scanner.scan(surroundedBy(0x43, piece), 0, piece.length)
      if (sqlState !== null) found.push(sqlState)
    }
    const expected = naiveSqlState(body)
    ensure(isDeepStrictEqual(found, expected === null ? [] : [expected]), 'the SQLSTATE is given once, and is right')
  },
}

const errorResponse: FuzzTarget = {
  name: 'error-response',
  oracle: 'parsing never throws or reads beyond its bytes; what is built is one message that says what was meant',
  covers: ['src/protocol/error-response.ts'],
  inputBytesMax: 512,
  seeds: [ERROR_FIELDS, 'S\0V\0C\0M\0D\0H\0\0', Buffer.from('SFATAL\0C57P01\0Mmüde\0Wx\0\0')],
  dictionary: BACKEND_WORDS,
  run: (input) => {
    const parsed = surroundings(input).map((bytes) => parseErrorFields(bytes))
    ensure(
      parsed.every((each) => isDeepStrictEqual(each, parsed[0])),
      'nothing is read beyond the payload',
    )
    const [sqlState, text = '', detail] = [naiveSqlState(input) ?? '57P01', ...input.toString('utf8').split('|', 2)]
    const built = buildErrorResponse({ severity: 'FATAL', sqlState, message: text, detail })
    const { messages, rest } = frameNaively(built)
    ensure(messages.length === 1 && rest.length === 0 && messages[0]?.type === 'E', 'it builds one whole ErrorResponse')
    const payload = messages[0]?.payload ?? Buffer.alloc(0)
    const said = parseErrorFields(payload)
    ensure(said?.severity === 'FATAL' && said.sqlState === sqlState, 'severity and SQLSTATE come back')
    const clean = (each: string | undefined): string | null => each?.replace(/\p{Cc}+/gu, ' ').toWellFormed() ?? null
    ensure(
      said.message === clean(text) && said.detail === clean(detail),
      'the texts come back without control characters',
    )
    ensure(payload.toString('latin1').split('\0').length === (detail === undefined ? 6 : 7), 'no text adds a field')
  },
}

const backendMessages: FuzzTarget = {
  name: 'backend-messages',
  oracle:
    'key, setting, status and authentication code are those of a naive reading, and read nothing beyond the payload',
  covers: [
    'src/protocol/backend-key-data.ts',
    'src/protocol/parameter-status.ts',
    'src/protocol/ready-for-query.ts',
    'src/protocol/authentication.ts',
  ],
  inputBytesMax: 300,
  seeds: [
    'in_hot_standby\0on\0',
    Buffer.from('\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'),
    'I',
    Buffer.from('\0\0\0\x0a'),
    Buffer.from('\0\0\x30\x39secret'),
    Buffer.alloc(260, 7),
  ],
  dictionary: BACKEND_WORDS,
  run: (input) => {
    const text = input.toString('latin1')
    for (const payload of surroundings(input)) {
      const key = input.length >= 8 && input.length <= 260 ? text : null
      ensure(readBackendKey(payload) === key, 'a key is 4 bytes and a secret of 4 to 256')
      const setting = readParameterStatus(payload)
      const [name, value, end, ...more] = text.split('\0')
      const isSetting = value !== undefined && end === '' && more.length === 0
      ensure((setting !== null) === isSetting, 'a setting is two strings and nothing else')
      const isRight = setting === null || (setting.name === utf8(name) && setting.value === utf8(value))
      ensure(isRight, 'name and value of a setting are those that were sent')
      ensure(readTransactionStatus(payload) === (/^[ITE]$/.test(text) ? text : null), 'a status is one of three bytes')
      const code = readAuthenticationCode(payload)
      ensure((code === null) === input.length < 4, 'an authentication code is an Int32')
      const offer = frameNaively(withoutChannelBinding(message('R', payload)))
      ensure(offer.messages.length === 1 && offer.rest.length === 0, 'an offer without channel binding is one message')
      const left = offer.messages[0]?.payload ?? payload
      const isUntouched = left.equals(payload)
      ensure(
        isUntouched || (code === 10 && !left.includes('-PLUS\0')),
        'only an offer loses channel binding, and all of it',
      )
      if (code !== null) ensure(needsAnswer(code) === (code !== 0 && code !== 12), 'unknown codes need an answer')
    }
  },
}

function utf8(latin1: string | undefined): string {
  return Buffer.from(latin1 ?? '', 'latin1').toString('utf8')
}

export const WIRE_TARGETS = [messageFramer, boundaryTracker, sqlStateScanner, errorResponse, backendMessages]
