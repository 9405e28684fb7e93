/**
 * Scripted servers on loopback that speak just enough of the protocol, or break it. Test support. What a real server
 * can be made to do is tested with a real one (pg-prober.pg.test.ts); these do what no real one does on demand.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'

/** What one connection does. `startup` is the whole StartupMessage, or the SSLRequest. */
export type Script = (socket: Socket, startup: Buffer, connectionNumber: number) => void

export interface FakePostgres {
  readonly port: number
  /** First packets, in the order of their connections. */
  readonly startups: readonly Buffer[]
  /** Connections that are open now. */
  readonly openCount: () => number
  /** Destroys what is open and stops listening. */
  readonly close: () => Promise<void>
}

/**
 * Runs `script` on each connection's first packet. Listens on a free port of 127.0.0.1, or, given a folder, at the socket
 * of port 5432 in it; the folder stays the caller's.
 */
export async function startFakePostgres(script: Script, folder: string | null = null): Promise<FakePostgres> {
  const sockets = new Set<Socket>()
  const startups: Buffer[] = []
  let connectionNumber = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    const number = ++connectionNumber
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.once('data', (startup: Buffer) => {
      startups.push(startup)
      script(socket, startup, number)
    })
  })
  if (folder === null) server.listen(0, '127.0.0.1')
  else server.listen(join(folder, '.s.PGSQL.5432'))
  await once(server, 'listening')
  const address = server.address()
  return {
    port: address === null || typeof address === 'string' ? 5432 : address.port,
    startups,
    openCount: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Byte1 type, Int32 length, payload. */
export function message(type: string, payload: Buffer): Buffer {
  const header = Buffer.alloc(5)
  header.write(type, 0, 'latin1')
  header.writeUInt32BE(payload.length + 4, 1)
  return Buffer.concat([header, payload])
}

/** ErrorResponse (or NoticeResponse) with severity, SQLSTATE and message. */
export function errorMessage(
  code: string,
  text: string,
  options: { severity?: string; type?: 'E' | 'N' } = {},
): Buffer {
  const { severity = 'FATAL', type = 'E' } = options
  return message(type, Buffer.from(`S${severity}\0VFATAL\0C${code}\0M${text}\0RProcessStartupPacket\0\0`))
}

/** AuthenticationOk and ReadyForQuery: logged in. */
export const LOGGED_IN = Buffer.concat([message('R', Buffer.from([0, 0, 0, 0])), message('Z', Buffer.from('I'))])

/** The result of a query that gives one text: RowDescription, DataRow, CommandComplete, ReadyForQuery. */
export function oneText(text: string): Buffer {
  const field = Buffer.from('x\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0', 'latin1')
  const value = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(value.length)
  return Buffer.concat([
    message('T', Buffer.concat([Buffer.from([0, 1]), field])),
    message('D', Buffer.concat([Buffer.from([0, 1]), length, value])),
    message('C', Buffer.from('SELECT 1\0')),
    message('Z', Buffer.from('I')),
  ])
}

/** What a role with every grant on a server without repmgr gets from the catalogue query. */
export const CAPABILITIES = {
  role: 'pgha',
  serverVersion: '150018',
  readsWalReceiver: true,
  deniedFunctions: null,
  schemaUsage: null,
  columns: null,
  localNodeId: null,
}

/** What a primary on timeline 3 answers. */
export const PRIMARY_ANSWER = {
  inRecovery: false,
  walFile: '000000030000000000000005',
  writeLsn: '0/5000060',
  receiveLsn: null,
  replayLsn: null,
  walReceiver: null,
  checkpointTimelineId: 2,
  minRecoveryTimelineId: 3,
  systemIdentifier: '7311111111111111111',
  postmasterStartedAt: '1700000000123456',
  defaultReadOnly: false,
  repmgrRows: null,
  localNodeId: null,
}

/** A server that logs everybody in and answers both of the probe's queries as a primary; `onAsk` may do otherwise. */
export function servePrimary(onAsk?: (socket: Socket, askNumber: number) => boolean): Script {
  return (socket) => {
    let asks = 0
    socket.write(LOGGED_IN)
    socket.on('data', (request: Buffer) => {
      if (request[0] !== 'Q'.charCodeAt(0)) return
      if (request.includes('serverVersion')) {
        socket.write(oneText(JSON.stringify(CAPABILITIES)))
        return
      }
      asks += 1
      if (onAsk?.(socket, asks) !== true) socket.write(oneText(JSON.stringify(PRIMARY_ANSWER)))
    })
  }
}
