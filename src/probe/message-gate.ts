/**
 * Lets only whole messages through to `pg`, and only such as its parser survives. Pure state, no I/O. Its parser loops
 * for ever over an ErrorResponse without its final zero byte, would wait for whatever length a stranger announces, and
 * keeps every row of an answer that never ends. What messages mean is none of its business.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-ERRORRESPONSE
 */
import { type FramedMessage, MessageFramer } from '../protocol/message-framer.ts'
import { BACKEND_MESSAGE_TYPES } from '../protocol/message-types.ts'
import { ProbeError } from './classify-failure.ts'
import { judgeFirstBytes, printable } from './first-bytes.ts'

/** Longest message the probe believes in: its answer is one row of a few kilobytes. */
export const MESSAGE_BYTES_MAX = 1024 * 1024
/** All that may come between two messages of ours: the answer, and what a server says unasked. */
export const ANSWER_BYTES_MAX = MESSAGE_BYTES_MAX + 64 * 1024

/** One per connection. */
export interface MessageGate {
  /**
   * Takes what arrived and returns the messages that are complete, in one buffer; `null` when there is none yet.
   * Throws ProbeError for bytes that are not PostgreSQL's; the gate is then done with.
   */
  readonly accept: (chunk: Buffer) => Buffer | null
  /** We have said something: the server may answer. */
  readonly asked: () => void
}

/**
 * A gate for the backend's side of one connection, from its first byte after the StartupMessage on. `check` sees each
 * message before it goes through, and throws ProbeError for one that must not.
 */
export function createMessageGate(check: (message: FramedMessage) => void = () => {}): MessageGate {
  let answerBytes = 0
  const framer = new MessageFramer({ messageBytesMax: MESSAGE_BYTES_MAX })
  /** What came before the first message could be judged; `null` once it was. */
  let head: Buffer | null = Buffer.alloc(0)

  const complete = (bytes: Buffer): Buffer | null => {
    const messages: Buffer[] = []
    for (const framed of framer.push(bytes)) {
      if (framed.kind === 'malformed') {
        throw new ProbeError('protocol', `not PostgreSQL: ${framed.problem} at "${printable(framer.rest())}"`)
      }
      checkFields(framed)
      check(framed)
      messages.push(framed.bytes)
    }
    return messages.length === 0 ? null : Buffer.concat(messages)
  }

  return {
    asked: () => {
      answerBytes = 0
    },
    accept: (chunk) => {
      answerBytes += chunk.length
      if (answerBytes > ANSWER_BYTES_MAX) throw new ProbeError('protocol', 'the server does not stop talking')
      if (head === null) return complete(chunk)
      const first = Buffer.concat([head, chunk])
      head = isJudged(first) ? null : first
      return head === null ? complete(first) : null
    },
  }
}

/** False while there are too few bytes to tell; throws when they are not PostgreSQL's. */
function isJudged(bytes: Buffer): boolean {
  const verdict = judgeFirstBytes(bytes)
  switch (verdict.kind) {
    case 'incomplete':
      return false
    case 'postgres':
      return true
    case 'bare-error':
      throw new ProbeError('too-many-connections', verdict.message)
    case 'foreign':
      throw new ProbeError('protocol', `not PostgreSQL: the answer begins with "${verdict.sample}"`)
    default:
      return verdict satisfies never
  }
}

/** ErrorResponse and NoticeResponse: fields of Byte1 and String, then a zero byte, which ends the message. */
function checkFields({ type, payload }: FramedMessage): void {
  if (type !== BACKEND_MESSAGE_TYPES.errorResponse && type !== BACKEND_MESSAGE_TYPES.noticeResponse) return
  let offset = 0
  while (offset < payload.length && payload[offset] !== 0) {
    const end = payload.indexOf(0, offset + 1)
    if (end < 0) break
    offset = end + 1
  }
  // A single byte before the end may be the type of a field that never comes.
  if (offset !== payload.length - 1 || payload[offset] !== 0)
    throw new ProbeError('protocol', 'the server sent an error without an end')
}
