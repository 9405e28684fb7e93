/**
 * Finds the SQLSTATE in the payload of an ErrorResponse or NoticeResponse (B) that comes in pieces, however they are
 * cut and however long the message is, and holds no more of it than five characters. Pure protocol layer. For a whole
 * payload and its other fields there is `parseErrorFields`.
 *
 * @see https://www.postgresql.org/docs/current/protocol-error-fields.html
 */

const FIELD_SQLSTATE = 0x43 // 'C'
const SQLSTATE_CHARACTERS = 5

// What the next byte is, when it is not part of a field's value.
const FIELD_TYPE_NEXT = -1
const DONE = -2

/** Scans one message after another: `begin`, then `scan` for each piece. */
export class SqlStateScanner {
  /** The type of the field whose value is being read, or one of the negative marks above. */
  #field = DONE
  #sqlState = ''

  /** A new message starts. */
  begin(): void {
    this.#field = FIELD_TYPE_NEXT
    this.#sqlState = ''
  }

  /**
   * Takes `chunk` from `start` up to `end`, the next piece of the payload. Gives the SQLSTATE once, when its last byte
   * is seen, else `null`: not yet, already given, absent, or not five of 0-9 and A-Z. The bytes after it cost nothing.
   */
  scan(chunk: Buffer, start: number, end: number): string | null {
    for (let offset = start; offset < end && this.#field !== DONE; offset++) {
      const byte = chunk[offset] as number
      if (this.#field === FIELD_TYPE_NEXT) {
        this.#field = byte === 0 ? DONE : byte
      } else if (this.#field !== FIELD_SQLSTATE) {
        if (byte === 0) this.#field = FIELD_TYPE_NEXT
      } else if (byte === 0) {
        this.#field = DONE
        if (this.#sqlState.length === SQLSTATE_CHARACTERS) return this.#sqlState
      } else if (this.#sqlState.length < SQLSTATE_CHARACTERS && isSqlStateCharacter(byte)) {
        this.#sqlState += String.fromCharCode(byte)
      } else {
        this.#field = DONE
      }
    }
    return null
  }
}

function isSqlStateCharacter(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a)
}
