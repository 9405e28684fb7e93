/**
 * The few messages that an instant server and its clients exchange. Pure. See instant-server.ts.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** Byte1 type, Int32 length, payload. */
export function frame(type: string, payload: Buffer | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload
  const head = Buffer.alloc(5)
  head.write(type, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** A StartupMessage of protocol 3.0. */
export function startup(parameters: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(parameters).map(([key, value]) => `${key}\0${value}\0`)
  const body = Buffer.from(`\0\x03\0\0${pairs.join('')}\0`, 'latin1')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length + 4)
  return Buffer.concat([length, body])
}

/** ReadyForQuery (B), idle. */
export const READY = frame('Z', 'I')

const parameter = (name: string, value: string): Buffer => frame('S', `${name}\0${value}\0`)

/** AuthenticationOk to ReadyForQuery. */
export const LOGIN = Buffer.concat([
  frame('R', '\0\0\0\0'),
  parameter('in_hot_standby', 'off'),
  parameter('client_encoding', 'UTF8'),
  parameter('server_encoding', 'UTF8'),
  parameter('server_version', '15.0'),
  parameter('standard_conforming_strings', 'on'),
  parameter('DateStyle', 'ISO, MDY'),
  parameter('TimeZone', 'UTC'),
  frame('K', '\0\0\x10\x01\0\0\0\x01'),
  READY,
])

/** RowDescription (B) of one column of text. */
export const ONE_COLUMN = frame('T', '\0\x01x\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0')

/** DataRow (B) of one value. */
export function dataRow(value: Buffer): Buffer {
  const head = Buffer.alloc(6)
  head.writeUInt16BE(1)
  head.writeUInt32BE(value.length, 2)
  return frame('D', Buffer.concat([head, value]))
}

const COMPLETE = frame('C', 'SELECT 1\0')

/** What a simple query (F) gets: one row. */
export const SIMPLE_ANSWER = Buffer.concat([ONE_COLUMN, dataRow(Buffer.from('1')), COMPLETE, READY])

/** Answers to the messages of the extended protocol, by type. A Sync gets ReadyForQuery. */
export const EXTENDED_ANSWERS: Readonly<Record<string, Buffer>> = {
  P: frame('1'),
  B: frame('2'),
  C: frame('3'),
  D: ONE_COLUMN,
  E: Buffer.concat([dataRow(Buffer.from('1')), COMPLETE]),
  S: READY,
  H: Buffer.alloc(0),
}

/** A query that begins so gets that many bytes in one value: `big 1048576`. */
export const BIG_QUERY = 'big '

/** The answer to it. */
export function bigAnswer(byteCount: number): Buffer {
  return Buffer.concat([ONE_COLUMN, dataRow(Buffer.alloc(byteCount, 'x')), COMPLETE, READY])
}

export function query(text: string): Buffer {
  return frame('Q', `${text}\0`)
}
