/**
 * What a route says, and how that gets to the client: the headers that every answer has, whole answers and streams.
 * Effect layer. It knows no route.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** A client of a stream that is this far behind is let go: what waits for it is memory of ours. */
export const STREAM_BACKLOG_BYTES_MAX = 1024 * 1024

/** What the writer of a stream has. */
export interface AnswerStream {
  /** `false`: the client does not keep up. When it is too far behind the connection is closed. */
  readonly write: (text: string) => boolean
  /** Aborted when the client has gone or the server closes. */
  readonly closed: AbortSignal
}

type Headers = Readonly<Record<string, string>>

export type Answer =
  | {
      readonly kind: 'whole'
      readonly statusCode: number
      readonly contentType: string
      readonly body: string
      /** More headers, or others than every answer has. */
      readonly headers?: Headers
    }
  | {
      readonly kind: 'stream'
      readonly contentType: string
      readonly headers?: Headers
      /** The answer ends when this resolves. It has to when `closed` is aborted. */
      readonly run: (stream: AnswerStream) => Promise<void>
    }

/**
 * For whatever a browser may do with an answer: keep it nowhere, take it for nothing else, run nothing in it, show it in
 * no frame, hand it to no other page. A page of our own says what it needs instead.
 */
const EVERY_ANSWER: Headers = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

/** One line of JSON. */
export function json(statusCode: number, body: unknown, headers: Headers = {}): Answer {
  const contentType = 'application/json; charset=utf-8'
  return { kind: 'whole', statusCode, contentType, body: `${JSON.stringify(body)}\n`, headers }
}

/** A refusal or failure, with a sentence for whoever asked. */
export function problem(statusCode: number, error: string, headers: Headers = {}): Answer {
  return json(statusCode, { error }, headers)
}

/** Resolves when the answer is handed over, and that of a stream when it is over. Rejects with what `run` rejects with. */
export async function sendAnswer(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { contentType, headers } = answer
  const shared = { ...EVERY_ANSWER, 'Content-Type': contentType, ...headers }
  if (answer.kind === 'whole') {
    const body = Buffer.from(answer.body)
    response.writeHead(answer.statusCode, { ...shared, 'Content-Length': body.length })
    response.end(body)
    return
  }
  response.writeHead(200, shared)
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  // Whoever waits for the first event wants to know at once that he will get it.
  response.flushHeaders()
  const closing = new AbortController()
  response.once('close', () => closing.abort())
  if (response.destroyed) closing.abort()
  const write = (text: string): boolean => {
    if (closing.signal.aborted) return false
    if (response.writableLength + text.length > STREAM_BACKLOG_BYTES_MAX) {
      response.destroy()
      return false
    }
    return response.write(text)
  }
  await answer.run({ write, closed: closing.signal })
  response.end()
}
