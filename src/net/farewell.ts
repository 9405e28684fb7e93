/**
 * The end of the client's side: last words if they may be said, FIN, and some time for the client to take them. Effect
 * layer. The server's side is closed by then, so nothing here delays a promise; it only bounds how long a socket is kept.
 */
import type { Socket } from 'node:net'
import type { Clock } from '../ports.ts'
import { buildErrorResponse } from '../protocol/error-response.ts'
import type { Farewell } from '../protocol/farewells.ts'

/** From the moment that all has left to the moment that the socket is destroyed. */
export const LINGER_MS = 1_000

/** A client that takes nothing at all of what its server had said before the end, for this long, will not any more. */
export const STALLED_MS = 60_000

export interface FarewellOptions {
  readonly socket: Socket
  readonly clock: Clock
  /** `null`: nothing to say, or no right to say it. */
  readonly words: Farewell | null
  /** The server had ended in peace: what it said before is the client's, however slowly it reads. */
  readonly waitsForReader: boolean
}

/** Writes, ends and lingers. The returned function stops waiting; call it when the socket is closed. */
export function sayFarewell({ socket, clock, words, waitsForReader }: FarewellOptions): () => void {
  let cancelTimer = (): void => undefined
  let isOver = false
  const linger = (): void => {
    if (isOver) return
    cancelTimer()
    cancelTimer = clock.schedule(LINGER_MS, () => socket.destroy())
  }
  const watchReader = (lengthBefore: number): void => {
    cancelTimer = clock.schedule(STALLED_MS, () => {
      if (socket.writableLength < lengthBefore) watchReader(socket.writableLength)
      else socket.destroy()
    })
  }
  if (words !== null) socket.write(buildErrorResponse(words))
  // Reading on and throwing away: unread bytes would turn our FIN into a RST that destroys the last words.
  socket.resume()
  if (waitsForReader) {
    watchReader(socket.writableLength)
    socket.end(linger)
  } else {
    socket.end()
    linger()
  }
  return () => {
    isOver = true
    cancelTimer()
  }
}
