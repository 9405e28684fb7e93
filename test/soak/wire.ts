/**
 * The few bytes that the clients and the front of the soak say and look for. Pure. Nothing is parsed that need not be:
 * at 10,000 sessions the ones who make the load must cost less than the proxy that is under it.
 */
import { firstPacket, frameNaively, int32, message, PROTOCOL_3_0, parameters } from '../protocol/wire-bytes.ts'

/** Who logs in as this one is answered by the front itself, and costs no server a process. */
export const IDLE_USER = 'soak_idle'

/** What clients ask. The front knows these too. */
export const QUICK_SQL = 'SELECT 1'
export const SLEEP_SQL = 'SELECT pg_sleep(5)'
/** 4 MB, more than all the buffers on the way. */
export const BULK_SQL = "SELECT repeat('x', 1000) FROM generate_series(1, 4000)"

/** Terminate (F). */
export const GOODBYE = message('X')

const CANCEL_REQUEST = 80_877_102
const SSL_REQUEST = 80_877_103

/** What a first packet is, as far as the front has to know. */
export type FirstPacket =
  | { readonly kind: 'startup'; readonly user: string }
  | { readonly kind: 'cancel'; readonly key: string }
  | { readonly kind: 'ssl' }

/** StartupMessage (F). */
export function startup(login: { readonly user: string; readonly database: string }): Buffer {
  return firstPacket(PROTOCOL_3_0, parameters(['user', login.user], ['database', login.database]))
}

/** CancelRequest (F) with a key as `findKey` gives it. */
export function cancelRequest(key: Buffer): Buffer {
  return firstPacket(CANCEL_REQUEST, key)
}

/** Query (F). */
export function query(sql: string): Buffer {
  return message('Q', `${sql}\0`)
}

/** Reads the first packet of a connection, which is there as a whole. */
export function readFirstPacket(bytes: Buffer): FirstPacket {
  const code = bytes.length >= 8 ? bytes.readUInt32BE(4) : 0
  if (code === CANCEL_REQUEST) return { kind: 'cancel', key: bytes.toString('hex', 8, 16) }
  if (code === SSL_REQUEST) return { kind: 'ssl' }
  const fields = bytes.toString('utf8', 8).split('\0')
  return { kind: 'startup', user: fields[fields.indexOf('user') + 1] ?? '' }
}

/** Process id and secret of BackendKeyData among the bytes of a login; `null` when it is not there. */
export function findKey(login: Buffer): Buffer | null {
  return frameNaively(login).messages.find(({ type }) => type === 'K')?.payload ?? null
}

/** SQLSTATE of the first error in the bytes; `null` when there is none. Whoever errs here says its severity first. */
export function sqlStateOf(bytes: Buffer): string | null {
  for (const mark of ERROR_MARKS) {
    const at = bytes.indexOf(mark)
    if (at >= 0) return bytes.toString('latin1', at + mark.length, at + mark.length + 5)
  }
  return null
}

/** From the severity that is never translated to the SQLSTATE, as PostgreSQL and the proxy write them. */
const ERROR_MARKS = [Buffer.from('\0VFATAL\0C'), Buffer.from('\0VERROR\0C')]

/** ErrorResponse (B) of a statement that a cancel request has reached, and what follows it. */
export const CANCELED = Buffer.concat([
  message('E', 'SERROR\0VERROR\0C57014\0Mcanceling statement due to user request\0\0'),
  message('Z', 'I'),
])

const STATUSES = {
  in_hot_standby: 'off',
  server_version: '15.0 (front)',
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
}

/** What a server answers to a startup packet that needs no password. `key`: 8 bytes. */
export function loggedIn(key: Buffer): Buffer {
  return Buffer.concat([
    message('R', int32(0)),
    ...Object.entries(STATUSES).map(([name, value]) => message('S', `${name}\0${value}\0`)),
    message('K', key),
    message('Z', 'I'),
  ])
}

/** The end of every answer: ReadyForQuery, outside of a transaction. */
const READY = message('Z', 'I')

/** Tells when an answer is over, from the last bytes alone. One for each connection. */
export class ReadyWatch {
  #tail: Buffer = Buffer.alloc(0)

  /** Takes the next piece; `true` when it ends with ReadyForQuery. */
  take(piece: Buffer): boolean {
    if (piece.length >= READY.length) {
      // A few bytes of its own: a view would keep the whole piece.
      this.#tail = Buffer.from(piece.subarray(-READY.length))
    } else {
      this.#tail = Buffer.concat([this.#tail, piece]).subarray(-READY.length)
    }
    return this.#tail.equals(READY)
  }
}
