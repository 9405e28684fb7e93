import { afterEach, describe, expect, it } from 'vitest'
import { errorOf, type FakeConnection, type FakeServer, LOGIN } from '../net/fake-server.ts'
import { message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import {
  type Answerer,
  BOOL,
  completed,
  INT4,
  rowOf,
  type Statement,
  startAnsweringServer,
} from './answering-server.ts'
import { ChaosSession, type SessionOptions } from './client-session.ts'
import type { HistoryEvent } from './history.ts'

const CLOSED = { code: null, severity: null, message: 'Connection terminated unexpectedly', detail: null }

let server: FakeServer | null = null
let session: ChaosSession | null = null
const events: HistoryEvent[] = []

afterEach(async () => {
  await session?.close()
  await server?.close()
  server = null
  session = null
  events.length = 0
})

/** Answers as a primary does, the nonce of the statement with it. */
function answerWell({ text, parameters }: Statement, connection: FakeConnection): void {
  if (/^(BEGIN|COMMIT)/.test(text)) return connection.send(completed(text.slice(0, 6).trim()))
  const nonce = text.startsWith('WITH') ? parameters[2] : parameters[0]
  const values = {
    nonce: nonce ?? '',
    address: '10.0.0.1',
    pid: '7',
    inRecovery: 'f',
    timelineId: '1',
    startedAt: '100.5',
    lsn: '0/500',
    seen: '4',
  }
  connection.send(rowOf(values, { pid: INT4, timelineId: INT4, seen: INT4, inRecovery: BOOL }))
}

/** Answers well, until a statement begins with these words. */
function untilWord(words: string, then: (connection: FakeConnection) => void): Answerer {
  return (statement, connection) => {
    if (statement.text.startsWith(words)) then(connection)
    else answerWell(statement, connection)
  }
}

async function open(
  answer: Answerer,
  options: Partial<SessionOptions> = {},
  login: Buffer = LOGIN,
): Promise<ChaosSession> {
  server = await startAnsweringServer(answer, login)
  session = await ChaosSession.open({
    client: 'a',
    session: 'a.1',
    route: 'write',
    target: { proxy: 'proxy1', host: '127.0.0.1', port: server.port },
    login: { user: 'u', password: 'p', database: 'd' },
    nodes: [{ name: 'node1', address: '10.0.0.1' }],
    patienceMs: 5_000,
    inTransaction: true,
    history: { write: (event) => events.push(event) },
    ...options,
  })
  if (session === null) throw new Error(`refused: ${JSON.stringify(events.at(-1))}`)
  return session
}

/** What is in the history of one kind, without its times. */
function told(kind: HistoryEvent['kind']): readonly object[] {
  return events.filter((event) => event.kind === kind).map(({ at: _, ...rest }) => rest)
}

async function write(): Promise<boolean> {
  return (await session?.ask({ what: 'write', n: 5, nonce: 'nonce5', subject: 'a' })) ?? false
}

describe('a session of a chaos client', () => {
  it('writes down what it asks before it asks, and what the server says of itself', async () => {
    await open(answerWell)
    expect(await write()).toBe(true)
    expect(events.map(({ kind }) => kind)).toEqual(['connect', 'opened', 'asked', 'answered'])
    expect(told('opened')).toEqual([{ kind: 'opened', session: 'a.1', inHotStandby: 'off' }])
    const view = { node: 'node1', pid: 7, inRecovery: false, timelineId: 1, startedAt: '100.5' }
    const answer = { echoes: ['nonce5'], view, lsn: '0/500', seen: 4, again: null }
    expect(told('answered')).toEqual([{ kind: 'answered', session: 'a.1', op: 0, ...answer }])
  })

  it('asks twice in one snapshot, with a nonce for each statement', async () => {
    const opened = await open(answerWell)
    expect(await opened.ask({ what: 'twice', n: 5, nonce: 'x', subject: 'a' })).toBe(true)
    expect(told('answered')).toMatchObject([{ echoes: ['x-before', 'x', 'x-after'], again: { seen: 4 } }])
  })

  it('calls a write failed when its session is lost before the COMMIT was sent', async () => {
    await open(untilWord('WITH', (connection) => connection.end()))
    expect(await write()).toBe(false)
    expect(told('failed')).toMatchObject([{ op: 0, error: CLOSED }])
    expect(told('closed')).toMatchObject([{ by: 'other', error: CLOSED }])
  })

  it('calls a write failed, by the words that ended the session, when those came before the COMMIT was sent', async () => {
    await open((statement, connection) => {
      // In one packet: the client cannot have asked in between.
      connection.socket.cork()
      answerWell(statement, connection)
      if (statement.text.startsWith('WITH')) connection.send(errorOf('57P01', 'terminating connection due to …'))
      connection.socket.uncork()
    })
    expect(await write()).toBe(false)
    expect(told('failed')).toMatchObject([{ op: 0, error: { code: '57P01' } }])
    const connection = await server?.connection()
    expect(connection?.received.includes('COMMIT')).toBe(false)
  })

  it('calls a write in doubt when its session is lost after that', async () => {
    await open(
      untilWord('COMMIT', (connection) => connection.send(errorOf('57P01', 'terminating connection due to …'))),
    )
    expect(await write()).toBe(false)
    expect(told('unknown')).toMatchObject([{ op: 0, error: { code: '57P01', severity: 'FATAL' } }])
    expect(told('failed')).toEqual([])
  })

  it('calls a write failed when its COMMIT is refused, or rolls back', async () => {
    const refusal = message('E', 'SERROR\0VERROR\0C40001\0Mcould not serialize\0\0')
    await open(untilWord('COMMIT', (connection) => connection.send(refusal, message('Z', 'I'))))
    expect(await write()).toBe(false)
    expect(told('failed')).toMatchObject([{ error: { code: '40001', severity: 'ERROR' } }])
    expect(told('closed')).toMatchObject([{ by: 'client' }])
  })

  it('calls a write without a transaction in doubt whenever its session is lost', async () => {
    await open(
      untilWord('WITH', (connection) => connection.reset()),
      { inTransaction: false },
    )
    expect(await write()).toBe(false)
    expect(told('unknown')).toHaveLength(1)
  })

  it('gives up when nobody answers, and says so', async () => {
    await open(
      untilWord('COMMIT', () => {}),
      { patienceMs: 50 },
    )
    expect(await write()).toBe(false)
    expect(told('unknown')).toMatchObject([{ error: { code: 'GAVE-UP' } }])
    expect(told('closed')).toMatchObject([{ by: 'client', error: { code: 'GAVE-UP' } }])
  })

  it('hears why it is ended while it is idle, once', async () => {
    const { over } = await open(answerWell)
    const connection = await server?.connection()
    connection?.send(errorOf('57P01', 'terminating connection due to administrator command'))
    connection?.end()
    await over
    await waitFor('the socket to close', () => connection?.isClosed)
    expect(told('closed')).toMatchObject([{ by: 'other', error: { code: '57P01' } }])
  })

  it('hears why it is ended when that comes with the end of its login, not that it is not queryable', async () => {
    // In one packet: a server that is stopped just then. Episode 25 of a run in CI.
    const words = errorOf('57P01', 'terminating connection due to administrator command')
    await open(answerWell, {}, Buffer.concat([LOGIN, words]))
    expect(await write()).toBe(false)
    expect(told('opened')).toHaveLength(1)
    expect(told('closed')).toMatchObject([{ by: 'other', error: { code: '57P01' } }])
    expect(told('failed')).toEqual([])
  })

  it('is refused by a port that nobody listens on', async () => {
    const gone = await startAnsweringServer(answerWell)
    await gone.close()
    const target = { proxy: 'proxy1', host: '127.0.0.1', port: gone.port }
    await expect(open(answerWell, { target })).rejects.toThrow('ECONNREFUSED')
    expect(told('refused')).toMatchObject([{ error: { code: 'ECONNREFUSED' } }])
    expect(told('opened')).toEqual([])
  })

  it('closes by its own will, and the server hears the goodbye', async () => {
    await open(answerWell)
    await session?.close()
    expect(told('closed')).toEqual([{ kind: 'closed', session: 'a.1', by: 'client', error: null }])
    const connection = await server?.connection()
    await waitFor('the goodbye', () => connection?.received.includes(message('X')))
  })
})
