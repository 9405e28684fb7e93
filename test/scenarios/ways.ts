/** The ways by which a client's bytes reach a server: in plain, or within TLS, asked for or not. Test support. */
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { TlsClient } from '../net/tls-client.ts'
import { frameNaively, type NaiveMessage } from '../protocol/wire-bytes.ts'
import { RawClient } from './raw-client.ts'

export const WAYS = ['in plain', 'after an SSLRequest', 'by direct TLS'] as const
export type Way = (typeof WAYS)[number]

/** A client by any way; `received` is what came out of TLS. The socket is the caller's to destroy. */
export interface Wire {
  readonly socket: Socket
  readonly received: Buffer
  send(bytes: Buffer): unknown
}

/** Where TLS is asked for, resolves when it was answered `S`; what is sent then waits for the handshake. */
export async function dial(
  way: Way,
  target: { readonly host: string; readonly port: number },
  options: ConnectionOptions = {},
): Promise<Wire> {
  switch (way) {
    case 'in plain':
      return await RawClient.connect(target)
    case 'after an SSLRequest':
      return await TlsClient.connect(target.port, options)
    case 'by direct TLS':
      return TlsClient.direct(target.port, { ALPNProtocols: ['postgresql'], ...options })
    default:
      return way satisfies never
  }
}

/** The messages of that type so far. */
export function messagesOf(wire: Wire, type: string): readonly NaiveMessage[] {
  return frameNaively(wire.received).messages.filter((each) => each.type === type)
}

/** The other side has closed, or the connection broke. */
export function isOver({ socket }: Wire): boolean {
  return socket.readableEnded || socket.destroyed
}
