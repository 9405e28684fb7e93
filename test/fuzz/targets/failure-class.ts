/** Anything that a probe can throw -> a class and a line for the operator. Fuzz target. */
import { classifyFailure, isNameGone, isTlsFailure, ProbeError } from '../../../src/probe/classify-failure.ts'
import { FAILURE_CLASSES } from '../../../src/topology/observation.ts'
import { ByteReader } from '../byte-reader.ts'
import { ensure, type FuzzTarget } from '../target.ts'

const SECRET = 'hunter2'
const CODES = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EACCES',
  'EPROTO',
  'CERT_HAS_EXPIRED',
  '57P03',
  '53300',
  '28P01',
  '42501',
  '',
]

export const failureClass: FuzzTarget = {
  name: 'failure-class',
  oracle:
    'total over all that can be thrown; one line of at most 300 characters, without control characters and the password',
  covers: ['src/probe/classify-failure.ts'],
  inputBytesMax: 1024,
  seeds: [
    Buffer.from('\x00\x05the database system is shutting down'),
    Buffer.from('\x01\x06full'),
    Buffer.from(`\x02\x03\x00\x01${SECRET}`),
  ],
  dictionary: [
    SECRET,
    'the database system is ',
    'starting up',
    '\n',
    '\x1b[31m',
    'Connection terminated',
    'SASL',
    '/.s.PGSQL.5432',
  ],
  run: (input) => {
    const reader = new ByteReader(input)
    const thrown = makeThrown(reader, 3)
    const { failure, detail } = classifyFailure(thrown, reader.isRare(4) ? null : SECRET)
    ensure(FAILURE_CLASSES.includes(failure), 'the class is one of those there are')
    ensure(detail.length <= 300 && !hasControlCharacter(detail), 'the line is short and one line')
    const withSecret = classifyFailure(thrown, SECRET).detail
    ensure(!withSecret.includes(SECRET), 'the password is not in the line')
    ensure(!(isTlsFailure(thrown) && isNameGone(thrown)), 'an error is of one kind')
  },
}

function makeThrown(reader: ByteReader, depth: number): unknown {
  const kind = reader.below(8)
  const code = reader.pick(CODES)
  const text = (): string => reader.take(reader.byte()).toString('utf8')
  switch (kind) {
    case 0:
      return Object.assign(new Error(text()), {
        code,
        severity: 'FATAL',
        detail: reader.isRare(2) ? text() : undefined,
      })
    case 1:
      return Object.assign(new Error(text()), { code })
    case 2:
      if (depth === 0) return null
      return new AggregateError(
        Array.from({ length: reader.below(4) }, () => makeThrown(reader, depth - 1)),
        text(),
      )
    case 3:
      return text()
    case 4:
      return { code: reader.byte(), severity: [], message: Symbol('x') }
    case 5:
      return Object.create(null)
    case 6:
      return new ProbeError(reader.pick(FAILURE_CLASSES), text())
    default:
      return reader.pick([undefined, null, 1n, Symbol('x'), Number.NaN])
  }
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
