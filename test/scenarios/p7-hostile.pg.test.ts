/**
 * P7, bad input in the order of the handshake: each form by its answer, its close reason and its counter, beside a
 * neighbour that goes on at full speed and looks at every byte. The forms of the first packet itself are in
 * p7-limits.pg.test.ts, those of the PROXY header in p7-proxy-protocol.pg.test.ts.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { firstPacket, frameNaively, int32 } from '../protocol/wire-bytes.ts'
import { freePorts } from '../support/free-port.ts'
import { StreamingNeighbour } from './neighbour.ts'
import { GSSENC_REQUEST, RawClient, SSL_REQUEST, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

const LOGIN = startupMessage({ user: 'postgres', database: 'einvoice' })
const CLIENT_HELLO = Buffer.from('1603010200010001fc0303', 'hex')
const CANCEL_CODE = 80_877_102

interface Offence {
  readonly name: string
  readonly listener?: 'passthrough' | 'off'
  readonly bytes: Buffer
  /** Letters that answer encryption requests, before anything else. */
  readonly letters?: string
  /** `SQLSTATE message` of the FATAL error; `null`: nothing is said. */
  readonly told: string | null
  readonly counted: string
}

const malformed = (problem: string): string => `08P01 invalid startup packet: ${problem}`

const OFFENCES: readonly Offence[] = [
  {
    name: 'bytes behind an SSLRequest',
    bytes: Buffer.concat([SSL_REQUEST, LOGIN]),
    told: null,
    counted: 'early-bytes',
  },
  {
    name: 'TLS behind an SSLRequest',
    bytes: Buffer.concat([SSL_REQUEST, CLIENT_HELLO]),
    told: null,
    counted: 'early-bytes',
  },
  {
    name: 'bytes behind a GSSENCRequest',
    bytes: Buffer.concat([GSSENC_REQUEST, LOGIN]),
    told: null,
    counted: 'early-bytes',
  },
  {
    name: 'bytes behind an SSLRequest where TLS is off',
    listener: 'off',
    bytes: Buffer.concat([SSL_REQUEST, LOGIN]),
    told: null,
    counted: 'early-bytes',
  },
  { name: 'direct TLS where TLS is off', listener: 'off', bytes: CLIENT_HELLO, told: null, counted: 'tls-not-offered' },
  {
    name: 'an SSLRequest of another length',
    bytes: Buffer.concat([int32(9), int32(80_877_103), Buffer.alloc(1)]),
    told: malformed('wrong length of SSL request'),
    counted: 'malformed-startup',
  },
  {
    name: 'a GSSENCRequest of another length',
    bytes: Buffer.concat([int32(12), int32(80_877_104), Buffer.alloc(4)]),
    told: malformed('wrong length of GSSAPI encryption request'),
    counted: 'malformed-startup',
  },
  {
    name: 'a cancel without a key',
    bytes: firstPacket(CANCEL_CODE),
    told: malformed('wrong length of cancel request'),
    counted: 'malformed-startup',
  },
  {
    name: 'a cancel with a key of 257 bytes',
    bytes: firstPacket(CANCEL_CODE, Buffer.alloc(4 + 257)),
    told: malformed('wrong length of cancel request'),
    counted: 'malformed-startup',
  },
  { name: 'a length of zero', bytes: int32(0), told: malformed('length out of bounds'), counted: 'malformed-startup' },
  {
    name: 'a negative length',
    bytes: int32(-1),
    told: malformed('length out of bounds'),
    counted: 'malformed-startup',
  },
  {
    name: 'a length of 2 GiB',
    bytes: int32(0x7fffffff),
    told: malformed('length out of bounds'),
    counted: 'malformed-startup',
  },
]

/** One request after the other, as each is answered. */
const SEQUENCES: readonly (Offence & { readonly next: Buffer })[] = [
  {
    name: 'a second GSSENCRequest',
    bytes: GSSENC_REQUEST,
    next: GSSENC_REQUEST,
    letters: 'N',
    told: malformed('second GSSENCRequest'),
    counted: 'malformed-startup',
  },
  {
    name: 'a second SSLRequest',
    listener: 'off',
    bytes: SSL_REQUEST,
    next: SSL_REQUEST,
    letters: 'N',
    told: malformed('second SSLRequest'),
    counted: 'malformed-startup',
  },
  {
    name: 'TLS after it was declined',
    listener: 'off',
    bytes: SSL_REQUEST,
    next: CLIENT_HELLO,
    letters: 'N',
    told: malformed('length out of bounds'),
    counted: 'malformed-startup',
  },
  {
    name: 'garbage after GSS was declined',
    bytes: GSSENC_REQUEST,
    next: Buffer.concat([Buffer.from([0x7a]), randomBytes(3_000)]),
    letters: 'N',
    told: malformed('length out of bounds'),
    counted: 'malformed-startup',
  },
]

let scene: Scene
let neighbour: StreamingNeighbour
let ports: Readonly<Record<'passthrough' | 'off', number>>

beforeAll(async () => {
  const [passthrough = 0, off = 0] = await freePorts(2)
  ports = { passthrough, off }
  scene = await Scene.open({
    nodes: 1,
    repmgrTables: false,
    proxy: {
      listeners: [{ address: `127.0.0.1:${passthrough}` }, { address: `127.0.0.1:${off}`, tls: { mode: 'off' } }],
    },
  })
  neighbour = await StreamingNeighbour.start({ host: '127.0.0.1', port: passthrough })
})

beforeEach(() => tellOnFailure(() => scene))

afterAll(async () => {
  expect(neighbour.problems).toEqual([])
  neighbour.stop()
  await scene.close()
})

const connect = (listener: 'passthrough' | 'off' = 'passthrough'): Promise<RawClient> =>
  RawClient.connect({ host: '127.0.0.1', port: ports[listener] })

/** Waits for the end, and looks at all that was said, at the counter, and at the neighbour. */
async function expectEnd(client: RawClient, { letters = '', told, counted }: Offence, before: number): Promise<void> {
  const received = await client.waitForEnd()
  expect(received.subarray(0, letters.length).toString()).toBe(letters)
  const { messages, rest } = frameNaively(received.subarray(letters.length))
  const words = messages.map(({ payload }) => payload.toString().split('\0'))
  const said = words.map((fields) => ['C', 'M'].map((type) => fields.find((each) => each.startsWith(type))?.slice(1)))
  expect([said.map((each) => each.join(' ')), rest.length]).toEqual([told === null ? [] : [told], 0])
  client.destroy()
  await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended[counted] === before + 1)
  await neighbour.waitForMore(100)
  expect(neighbour.problems).toEqual([])
}

describe('a client that sends', () => {
  it.each(OFFENCES)('$name is refused: $counted', async (offence) => {
    const before = await scene.endedCount(offence.counted)
    const client = await connect(offence.listener)
    client.send(offence.bytes)
    await expectEnd(client, offence, before)
  })

  it.each(SEQUENCES)('$name is refused: $counted', async (offence) => {
    const before = await scene.endedCount(offence.counted)
    const client = await connect(offence.listener)
    client.send(offence.bytes)
    await client.waitForBytes(1)
    client.send(offence.next)
    await expectEnd(client, offence, before)
  })

  it('a cancel with a wrong key gets silence, and nobody is cancelled', async () => {
    const offence = { name: '', bytes: Buffer.alloc(0), told: null, counted: 'cancel-request' }
    const before = await scene.endedCount(offence.counted)
    const client = await connect()
    client.send(firstPacket(CANCEL_CODE, Buffer.concat([int32(12_345), randomBytes(4)])))
    await expectEnd(client, offence, before)
  })
})

describe('many clients that send garbage at once', () => {
  it('are each told, each counted, and in nobody’s way', async () => {
    const before = await scene.endedCount('malformed-startup')
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect()))
    for (const client of clients) client.send(Buffer.concat([Buffer.from([0x7f]), randomBytes(10_000)]))
    await Promise.all(clients.map((client) => client.waitForEnd()))
    for (const client of clients) client.destroy()
    await scene.waitForStatus('all to be counted', ({ sessions }) => {
      return sessions.ended['malformed-startup'] === before + 200 && sessions.active === 1
    })
    await neighbour.waitForMore(200)
    expect(neighbour.problems).toEqual([])
  })
})
