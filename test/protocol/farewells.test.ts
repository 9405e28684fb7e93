import { describe, expect, it } from 'vitest'
import { buildErrorResponse, parseErrorFields } from '../../src/protocol/error-response.ts'
import * as farewells from '../../src/protocol/farewells.ts'
import { parseFirstPacket } from '../../src/protocol/startup-packet.ts'

const NOT_ACCEPTING = 'the database system is not accepting connections'
const NO_CONNECTION = '(no connection to the server)'

// The contract with drivers and frameworks, word by word: docs/spec.md, "Errors we send".
const TABLE: readonly (readonly [string, farewells.Farewell, string, string])[] = [
  ['no primary in time', farewells.noPrimary(), '57P03', `${NOT_ACCEPTING}: no primary available ${NO_CONNECTION}`],
  ['no standby', farewells.noStandby(), '57P03', `${NOT_ACCEPTING}: no standby available ${NO_CONNECTION}`],
  [
    'the hold queue is full',
    farewells.holdQueueFull(),
    '57P03',
    `${NOT_ACCEPTING}: connection hold queue is full ${NO_CONNECTION}`,
  ],
  ['the proxy stops', farewells.shuttingDown(), '57P03', 'the database system is shutting down'],
  [
    'the login landed on a standby',
    farewells.landedOnStandby(),
    '57P03',
    `${NOT_ACCEPTING}: no primary available ${NO_CONNECTION}`,
  ],
  [
    'the node is no longer routable',
    farewells.nodeNoLongerRoutable({ node: 'node1', now: 'node2' }),
    '57P01',
    'terminating connection due to administrator command',
  ],
  [
    'the standby is one no longer',
    farewells.standbyNoLongerReadable({ node: 'node2', why: 'was promoted' }),
    '57P01',
    'terminating connection due to administrator command',
  ],
  ['the proxy stops', farewells.proxyStopping(), '57P01', 'terminating connection due to administrator command'],
  ['the backend vanished', farewells.backendVanished(), '08006', 'server closed the connection unexpectedly'],
  ['too many sessions', farewells.tooManySessions(), '53300', 'sorry, too many clients already'],
  ['too many from one address', farewells.tooManyFromAddress(), '53300', 'too many connections from this address'],
  [
    'the client has no certificate',
    farewells.clientCertificateRequired(),
    '28000',
    'connection requires a valid client certificate',
  ],
  [
    'the node’s TLS will not do',
    farewells.serverTlsFailed({ detail: 'node1 does not offer TLS' }),
    '57P03',
    `${NOT_ACCEPTING}: no trusted connection to the node ${NO_CONNECTION}`,
  ],
  ['TLS is required', farewells.tlsRequired(), '28000', 'encryption is required: connect with TLS'],
  [
    'the first packet is malformed',
    farewells.malformedStartup('length out of bounds'),
    '08P01',
    'invalid startup packet: length out of bounds',
  ],
  [
    'the protocol is not 3.x',
    farewells.unsupportedProtocol(2, 0),
    '0A000',
    'unsupported frontend protocol 2.0: server supports 3.x',
  ],
]

describe('farewells', () => {
  it.each(TABLE)('says exactly the agreed words when %s', (_, farewell, sqlState, message) => {
    expect(parseErrorFields(buildErrorResponse(farewell).subarray(5))).toMatchObject({
      severity: 'FATAL',
      sqlState,
      message,
    })
  })

  it('has a row in the table above for every situation', () => {
    expect(TABLE).toHaveLength(Object.keys(farewells).length)
  })

  it('gives the reason the caller knows as the detail', () => {
    expect(farewells.noPrimary({ detail: 'waited 30 s' }).detail).toBe('waited 30 s')
    expect(farewells.noStandby({ detail: 'node2 lags' }).detail).toBe('node2 lags')
    expect(farewells.noPrimary().detail).toBeUndefined()
  })

  it('says that the node is in recovery when the login landed on a standby', () => {
    expect(farewells.landedOnStandby().detail).toBe('node is in recovery')
  })

  it('names the node that is no longer routable, and the one that is now', () => {
    const detailOf = (options: Parameters<typeof farewells.nodeNoLongerRoutable>[0]) =>
      farewells.nodeNoLongerRoutable(options).detail
    expect(detailOf({ node: 'node1', now: 'node2' })).toBe('pgha-proxy: node1 is no longer primary (now node2)')
    expect(detailOf({ node: 'node1', now: null })).toBe('pgha-proxy: node1 is no longer primary')
  })

  it('echoes no byte of a malformed packet', () => {
    const problems = ['GET / HTTP/1.1\r\n', '\0\0\0\x10\0\x03\0\0secret!!', '\0\0\0\x0c\x04\xd2\x16\x2fsecret!!']
    for (const text of problems) {
      const result = parseFirstPacket(Buffer.from(text, 'latin1'), { directTlsAllowed: false })
      if (result.kind !== 'malformed') throw new Error(`${JSON.stringify(text)} is ${result.kind}`)
      const sent = buildErrorResponse(farewells.malformedStartup(result.problem)).toString('latin1')
      expect(sent).not.toMatch(/GET|HTTP|secret/)
    }
  })
})
