/**
 * A PostgreSQL server on loopback that logs everybody in and leaves each statement to the test: to answer, to refuse, or
 * to break off. Test support, for the clients of the chaos runs. Close it.
 */

import { type FakeConnection, type FakeServer, LOGIN, READY, startFakeServer } from '../net/fake-server.ts'
import { frameNaively, int32, message } from '../protocol/wire-bytes.ts'

/** What a client sent: a simple query by its words, or a statement with parameters by their values. */
export interface Statement {
  readonly text: string
  readonly parameters: readonly string[]
}

export type Answerer = (statement: Statement, connection: FakeConnection) => void

/** `answer` is called for each statement and sends what is to be said to it. `login` is what a client is greeted with. */
export async function startAnsweringServer(answer: Answerer, login: Buffer = LOGIN): Promise<FakeServer> {
  return await startFakeServer((connection) => {
    let isLoggedIn = false
    let framed = 0
    let pending: Statement = { text: '', parameters: [] }
    connection.socket.on('data', () => {
      if (!isLoggedIn) {
        const length = connection.receivedBytes < 4 ? Number.POSITIVE_INFINITY : connection.received.readInt32BE(0)
        if (connection.receivedBytes < length) return
        isLoggedIn = true
        framed = length
        connection.send(login)
      }
      const { messages, rest } = frameNaively(connection.received.subarray(framed))
      framed = connection.receivedBytes - rest.length
      for (const { type, payload } of messages) {
        if (type === 'P') pending = { ...pending, text: payload.toString().split('\0')[1] ?? '' }
        if (type === 'B') pending = { ...pending, parameters: readParameters(payload) }
        if (type === 'S') answer(pending, connection)
        if (type === 'Q') answer({ text: payload.toString().slice(0, -1), parameters: [] }, connection)
        if (type === 'X') connection.end()
      }
    })
  })
}

/** CommandComplete and ReadyForQuery. */
export function completed(tag: string): Buffer {
  return Buffer.concat([message('C', `${tag}\0`), READY])
}

/** One row of texts to a statement with parameters. */
export function rowOf(
  values: Readonly<Record<string, string | null>>,
  types: Readonly<Record<string, number>>,
): Buffer {
  const names = Object.keys(values)
  const columns = names.map((name) =>
    Buffer.concat([
      Buffer.from(`${name}\0`),
      int32(0),
      int16(0),
      int32(types[name] ?? TEXT),
      int16(-1),
      int32(-1),
      int16(0),
    ]),
  )
  const cells = Object.values(values).map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]),
  )
  return Buffer.concat([
    message('1'),
    message('2'),
    message('T', Buffer.concat([int16(names.length), ...columns])),
    message('D', Buffer.concat([int16(names.length), ...cells])),
    completed('SELECT 1'),
  ])
}

/** Type oids of pg_type. */
const TEXT = 25
export const INT4 = 23
export const BOOL = 16

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

/** Of a Bind with all values as text. */
function readParameters(payload: Buffer): readonly string[] {
  let at = payload.indexOf(0, payload.indexOf(0) + 1) + 1
  at += 2 + 2 * payload.readInt16BE(at)
  const count = payload.readInt16BE(at)
  at += 2
  const values: string[] = []
  for (let i = 0; i < count; i += 1) {
    const length = payload.readInt32BE(at)
    at += 4
    values.push(length < 0 ? '' : payload.toString('utf8', at, at + length))
    at += Math.max(0, length)
  }
  return values
}
