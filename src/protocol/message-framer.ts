/**
 * Cuts the login phase of a backend's stream into typed messages: Byte1 type, Int32 length that counts itself, payload.
 * Pure protocol layer. It knows no message types and holds what is incomplete, within a limit; the relay phase, where
 * nothing may be held, has boundary-tracker.ts, and the two are the only readers of message lengths.
 *
 * @see https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */

/** Type byte and length word. */
export const MESSAGE_HEADER_BYTES = 5

/** The least a length word may say, as it counts its own four bytes. */
export const MESSAGE_LENGTH_MIN = 4

/**
 * The Int32 after the type byte of the message that starts at `offset`: the message's bytes less one, negative or below
 * `MESSAGE_LENGTH_MIN` when the stream is broken. The caller has made sure that the whole header is there.
 */
export function readMessageLength(bytes: Buffer, offset: number): number {
  return bytes.readInt32BE(offset + 1)
}

/** One message. Both buffers are views of memory that is never written again: they may be kept or sent as they are. */
export interface FramedMessage {
  readonly kind: 'message'
  /** The type byte; see message-types.ts. */
  readonly type: number
  /** The whole message, header included. */
  readonly bytes: Buffer
  /** The message without its header; may be empty. */
  readonly payload: Buffer
}

/**
 * A message, or the end of all sense: a length below 4, or a message beyond the limit. PostgreSQL itself causes the
 * latter when it cannot fork: it then says `E`, bare text and a zero byte, as in protocol 2.
 */
export type FramerResult = FramedMessage | { readonly kind: 'malformed'; readonly problem: string }

const EMPTY = Buffer.alloc(0)

/** Cuts one stream. Not to be used after `malformed`, save for `rest`. */
export class MessageFramer {
  readonly #messageBytesMax: number
  // Views of what lies before #start have been given out, so storage is only ever appended to, or left for a new one.
  #storage = EMPTY
  #start = 0
  #end = 0
  #problem: string | null = null

  /** `messageBytesMax` bounds one whole message, header included. */
  constructor(options: { readonly messageBytesMax: number }) {
    this.#messageBytesMax = options.messageBytesMax
  }

  /**
   * Takes a chunk of any size, copies it (the caller may reuse its read buffer at once) and gives the messages that are
   * complete now. They are cut as the caller goes: whoever stops early finds all that follows in `rest`. The held bytes
   * stay within the limit plus one chunk as long as the caller does not stop. Once malformed, always malformed, and
   * further chunks are not taken.
   */
  push(chunk: Buffer): Generator<FramerResult, void, undefined> {
    if (this.#problem === null) this.#append(chunk)
    return this.#cut()
  }

  /** The bytes not given out yet: an incomplete message, all after the last one taken, or what was malformed. A view. */
  rest(): Buffer {
    return this.#storage.subarray(this.#start, this.#end)
  }

  *#cut(): Generator<FramerResult, void, undefined> {
    while (this.#problem === null) {
      const start = this.#start
      const available = this.#end - start
      if (available < MESSAGE_HEADER_BYTES) return
      const length = readMessageLength(this.#storage, start)
      if (length < MESSAGE_LENGTH_MIN) this.#problem = 'message length below 4'
      else if (length >= this.#messageBytesMax) this.#problem = 'message too long'
      else if (length >= available) return
      else {
        const bytes = this.#storage.subarray(start, start + 1 + length)
        this.#start += bytes.length
        yield { kind: 'message', type: bytes[0] as number, bytes, payload: bytes.subarray(MESSAGE_HEADER_BYTES) }
      }
    }
    yield { kind: 'malformed', problem: this.#problem }
  }

  #append(chunk: Buffer): void {
    const heldBytes = this.#end - this.#start
    if (this.#storage.length - this.#end < chunk.length) {
      // Twice what is needed while a message is incomplete, so that a stream of tiny chunks costs linear time.
      const storage = Buffer.allocUnsafe((heldBytes + chunk.length) * (heldBytes === 0 ? 1 : 2))
      this.#storage.copy(storage, 0, this.#start, this.#end)
      this.#storage = storage
      this.#start = 0
      this.#end = heldBytes
    }
    this.#end += chunk.copy(this.#storage, this.#end)
  }
}
