/** Reads the body of an order: JSON, small. Part of the admin server. How long it may take is the HTTP server's to say. */
import type { IncomingMessage } from 'node:http'

/** The largest body of an order: names and a reason. */
export const BODY_BYTES_MAX = 4096

export type Body =
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly kind: 'too-large' }
  /** No JSON object, or the client went away in the middle. */
  | { readonly kind: 'malformed' }

const MALFORMED: Body = { kind: 'malformed' }

/** Never rejects. No body at all is one without fields. What comes beyond the limit is thrown away. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const pieces: Buffer[] = []
  let size = 0
  const isWhole = await new Promise<boolean>((resolve) => {
    request.on('data', (piece: Buffer) => {
      size += piece.length
      if (size <= BODY_BYTES_MAX) pieces.push(piece)
      else resolve(false)
    })
    request.once('end', () => resolve(true))
    request.once('close', () => resolve(false))
  })
  if (size > BODY_BYTES_MAX) return { kind: 'too-large' }
  return isWhole ? parse(Buffer.concat(pieces).toString('utf8')) : MALFORMED
}

function parse(text: string): Body {
  if (text.trim() === '') return { kind: 'fields', fields: {} }
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return MALFORMED
    return { kind: 'fields', fields: body as Record<string, unknown> }
  } catch {
    return MALFORMED
  }
}
