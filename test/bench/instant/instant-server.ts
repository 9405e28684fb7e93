/**
 * A server that lets everybody in and answers every query at once, with one row, in a process of its own: for workloads
 * in which PostgreSQL would be the limit. It knows no SQL; to the probes of pgha-proxy it is a primary. A program:
 * forked by instant-server-process.ts, to which it tells its port, and ends with it.
 */
import { createServer, type Socket } from 'node:net'
import process from 'node:process'
import { CAPABILITIES, oneText, PRIMARY_ANSWER } from '../../probe/fake-postgres.ts'
import { BIG_QUERY, bigAnswer, EXTENDED_ANSWERS, LOGIN, SIMPLE_ANSWER } from './wire.ts'

/** Int32(8), Int32(80877103 SSLRequest | 80877104 GSSENCRequest | 80877102 CancelRequest follows a length of 16). */
const REQUEST_BYTES = 8

const LEARNED = oneText(JSON.stringify(CAPABILITIES))
const ASKED = oneText(JSON.stringify(PRIMARY_ANSWER))
const bigAnswers = new Map<string, Buffer>()

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => greet(socket, chunk))
})

function greet(socket: Socket, chunk: Buffer): void {
  if (chunk.length === REQUEST_BYTES) {
    socket.write('N')
    return
  }
  const isProbe = chunk.includes('\0application_name\0pgha-proxy\0', 0, 'latin1')
  socket.removeAllListeners('data')
  let rest: Buffer | null = null
  socket.on('data', (more: Buffer) => {
    rest = answer(socket, rest === null ? more : Buffer.concat([rest, more]), isProbe)
  })
  socket.write(LOGIN)
}

/** Answers the whole messages and gives what is left. */
function answer(socket: Socket, bytes: Buffer, isProbe: boolean): Buffer | null {
  const answers: Buffer[] = []
  let start = 0
  while (bytes.length - start >= 5) {
    const end = start + 1 + bytes.readUInt32BE(start + 1)
    if (end > bytes.length) break
    const type = String.fromCharCode(bytes[start] ?? 0)
    if (type === 'Q') answers.push(answerQuery(bytes.toString('latin1', start + 5, end - 1), isProbe))
    else if (type === 'X') socket.end()
    else answers.push(EXTENDED_ANSWERS[type] ?? SIMPLE_ANSWER)
    start = end
  }
  const [only] = answers
  if (only !== undefined) socket.write(answers.length === 1 ? only : Buffer.concat(answers))
  return start === bytes.length ? null : Buffer.from(bytes.subarray(start))
}

function answerQuery(sql: string, isProbe: boolean): Buffer {
  if (isProbe) return sql.includes('serverVersion') ? LEARNED : ASKED
  if (!sql.startsWith(BIG_QUERY)) return SIMPLE_ANSWER
  const known = bigAnswers.get(sql)
  if (known !== undefined) return known
  const made = bigAnswer(Number(sql.slice(BIG_QUERY.length)))
  bigAnswers.set(sql, made)
  return made
}

process.once('disconnect', () => process.exit())
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP')
  process.send?.({ port: address.port })
})
