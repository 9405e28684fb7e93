/**
 * Watches the relay phase of a backend's stream go by and knows at any time whether it stands between two messages,
 * which is where a farewell may be written. Pure protocol layer, on the path of every byte of every session: it holds
 * no bytes, allocates nothing per message and steps over payloads by arithmetic. It says nothing of the frontend:
 * `transactionStatus` is what the backend last said, even when the next query is already on its way.
 *
 * @see https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */
import { MESSAGE_HEADER_BYTES, MESSAGE_LENGTH_MIN, readMessageLength } from './message-framer.ts'
import { BACKEND_MESSAGE_TYPES } from './message-types.ts'
import { type TransactionStatus, transactionStatusOf } from './ready-for-query.ts'
import { SqlStateScanner } from './sql-state-scanner.ts'

/**
 * Told of the SQLSTATE of each ErrorResponse and NoticeResponse as soon as it is seen, perhaps before the message ends.
 * Called in the midst of `track`: look at the tracker only after that returns. Must not throw.
 */
export type SqlStateListener = (sqlState: string, type: 'error' | 'notice') => void

// Module constants, so that the loop below compares with literals.
const ERROR_RESPONSE = BACKEND_MESSAGE_TYPES.errorResponse
const NOTICE_RESPONSE = BACKEND_MESSAGE_TYPES.noticeResponse
const READY_FOR_QUERY = BACKEND_MESSAGE_TYPES.readyForQuery

/**
 * Tracks one stream from a boundary on: construct it where a message ends, as after the ReadyForQuery that ends the
 * login, and give `track` every byte from there.
 */
export class BoundaryTracker {
  readonly #onSqlState: SqlStateListener
  #transactionStatus: TransactionStatus | null
  #malformed = false
  /** Header bytes seen of the current message: 0 at a boundary, `MESSAGE_HEADER_BYTES` within a payload. */
  #headerBytes = 0
  #type = 0
  #length = 0
  #payloadBytesLeft = 0
  // Made at the first error or notice: most sessions never need it.
  #sqlStateScanner: SqlStateScanner | null = null

  /** `transactionStatus`: what the ReadyForQuery before the first tracked byte said; `null` when that is unknown. */
  constructor(options: {
    readonly onSqlState: SqlStateListener
    readonly transactionStatus?: TransactionStatus | null
  }) {
    this.#onSqlState = options.onSqlState
    this.#transactionStatus = options.transactionStatus ?? null
  }

  /** The last byte tracked ended a message, or none was tracked yet. Always false once malformed. */
  get atBoundary(): boolean {
    return this.#headerBytes === 0 && !this.#malformed
  }

  /** A length below 4 was seen: where messages end is unknown from there on, for ever. */
  get malformed(): boolean {
    return this.#malformed
  }

  /** As the last ReadyForQuery said; `null` when there was none, or it was not readable, or it is not complete yet. */
  get transactionStatus(): TransactionStatus | null {
    return this.#transactionStatus
  }

  /**
   * Takes the next bytes of the stream, in order, in pieces of any size: those of `chunk` before `end`. Keeps no reference
   * to `chunk`. Never throws.
   */
  track(chunk: Buffer, end = chunk.length): void {
    if (this.#malformed) return
    let offset = this.#headerBytes === 0 ? 0 : this.#trackCut(chunk, 0, end)

    while (end - offset >= MESSAGE_HEADER_BYTES) {
      const length = readMessageLength(chunk, offset)
      if (length < MESSAGE_LENGTH_MIN || length >= end - offset) break
      const next = offset + 1 + length
      const type = chunk[offset] as number
      if (type === READY_FOR_QUERY || type === ERROR_RESPONSE || type === NOTICE_RESPONSE) {
        this.#beginPayload(type, length)
        this.#trackPayload(chunk, offset + MESSAGE_HEADER_BYTES, next)
      }
      offset = next
    }

    if (offset < end) this.#trackCut(chunk, offset, end)
  }

  /**
   * Tracks one message byte by byte up to its payload, and that in one step: the one before or behind a cut, or a
   * malformed one. Returns where the next message starts; `end` if that is not known.
   */
  #trackCut(chunk: Buffer, start: number, end: number): number {
    let offset = start
    while (this.#headerBytes < MESSAGE_HEADER_BYTES) {
      if (offset === end) return end
      const byte = chunk[offset++] as number
      if (this.#headerBytes === 0) {
        this.#type = byte
        this.#length = 0
      } else {
        this.#length = (this.#length << 8) | byte
      }
      this.#headerBytes++
      if (this.#headerBytes < MESSAGE_HEADER_BYTES) continue
      if (this.#length < MESSAGE_LENGTH_MIN) {
        this.#malformed = true
        return end
      }
      this.#payloadBytesLeft = this.#length - MESSAGE_LENGTH_MIN
      this.#beginPayload(this.#type, this.#length)
    }

    const next = offset + Math.min(this.#payloadBytesLeft, end - offset)
    this.#trackPayload(chunk, offset, next)
    this.#payloadBytesLeft -= next - offset
    if (this.#payloadBytesLeft === 0) this.#headerBytes = 0
    return next
  }

  #beginPayload(type: number, length: number): void {
    this.#type = type
    this.#length = length
    if (type === READY_FOR_QUERY) {
      this.#transactionStatus = null
    } else if (type === ERROR_RESPONSE || type === NOTICE_RESPONSE) {
      this.#sqlStateScanner ??= new SqlStateScanner()
      this.#sqlStateScanner.begin()
    }
  }

  #trackPayload(chunk: Buffer, start: number, end: number): void {
    if (start === end) return
    if (this.#type === READY_FOR_QUERY) {
      if (this.#length === MESSAGE_LENGTH_MIN + 1) this.#transactionStatus = transactionStatusOf(chunk[start])
    } else if (this.#type === ERROR_RESPONSE || this.#type === NOTICE_RESPONSE) {
      const sqlState = this.#sqlStateScanner?.scan(chunk, start, end) ?? null
      if (sqlState !== null) this.#onSqlState(sqlState, this.#type === ERROR_RESPONSE ? 'error' : 'notice')
    }
  }
}
