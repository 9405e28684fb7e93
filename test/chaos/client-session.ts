/**
 * One session of a chaos client, by `pg`, as an application opens it: connect, operations, close, each written into the
 * history before it begins and when it ends. Test support. It never tries again; that is the client's.
 */
import { Socket } from 'node:net'
import pg from 'pg'
import { describeError, gaveUp } from './client-error.ts'
import type { ClientTarget } from './client-plan.ts'
import { type Answer, type AnswerRow, onlyRow, READ_SQL, toAnswer, WRITE_SQL } from './client-sql.ts'
import { type AskedEvent, type ClientError, echoesOf, GAVE_UP, type Route } from './history.ts'
import { type HistoryWriter, monotonicMs } from './history-file.ts'

/** A host that is gone answers no SYN. */
const TCP_CONNECT_LIMIT_MS = 3_000
/** Above `hold.timeout`, so that the proxy is the first to give up: it can say why. */
const CONNECT_LIMIT_MS = 37_000
/** Or nobody would ever tell an idle session that its proxy's host is gone. */
const KEEPALIVE_MS = 2_000
/** A Terminate is answered by a FIN within a moment, or never. */
const CLOSE_LIMIT_MS = 1_000

/** What `pg` says then. */
const NEVER_SENT = /is not queryable$|^Client was closed/

/** Who connects, and what it needs for that. */
export interface SessionOptions {
  readonly client: string
  /** Unique in the run. */
  readonly session: string
  readonly route: Route
  readonly target: ClientTarget
  readonly login: { readonly user: string; readonly password: string; readonly database: string }
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  readonly patienceMs: number
  /** A write has BEGIN and COMMIT around it, else it is one statement. */
  readonly inTransaction: boolean
  readonly history: Pick<HistoryWriter, 'write'>
}

/** What to ask. `n` is `null` for a read. */
export interface Question {
  readonly what: AskedEvent['what']
  readonly n: number | null
  readonly nonce: string
  readonly subject: string
}

/** How far an operation had come when it failed: from the COMMIT on it is in doubt. */
type Progress = { isInDoubt: boolean }

/** An open session. `close` it; it may have ended by itself before. */
export class ChaosSession {
  readonly #options: SessionOptions
  readonly #client: pg.Client
  readonly #socket: Socket
  #isOver = false
  #opCount = 0
  /** Of the session, once it is over. */
  #lastWords: ClientError | null = null
  #onOver: () => void = () => {}
  /** Resolves when the session has ended, whoever ended it. */
  readonly over = new Promise<void>((resolve) => {
    this.#onOver = resolve
  })

  private constructor(options: SessionOptions, client: pg.Client, socket: Socket) {
    this.#options = options
    this.#client = client
    this.#socket = socket
  }

  /** `null` when it was refused, or took too long; both are in the history then. */
  static async open(options: SessionOptions): Promise<ChaosSession | null> {
    const { client: name, session: id, route, target, login, history } = options
    const { host, port, proxy } = target
    const socket = new Socket()
    let inHotStandby: string | null = null
    const keepAlive = { keepAlive: true, keepAliveInitialDelayMillis: KEEPALIVE_MS }
    const identity = { host, port, ...login, application_name: id }
    const client = new pg.Client({ ...identity, ...keepAlive, ssl: false, stream: () => socket })
    // The driver tells of it on its connection only.
    const { connection } = client as unknown as { readonly connection: NodeJS.EventEmitter }
    connection.on('parameterStatus', ({ parameterName, parameterValue }: Record<string, string>) => {
      if (parameterName === 'in_hot_standby') inHotStandby = parameterValue ?? null
    })
    const session = new ChaosSession(options, client, socket)
    let isOpen = false
    // Read together with the end of the login, it comes before `connect` has resolved, and nobody says it again.
    let toldEarly: ClientError | null = null
    let timer: NodeJS.Timeout | undefined
    client.on('error', (error) => {
      if (isOpen) session.#end('other', describeError(error))
      else toldEarly ??= describeError(error)
    })
    client.on('end', () => {
      if (isOpen) session.#end('other', null)
    })
    history.write({ kind: 'connect', at: monotonicMs(), client: name, session: id, proxy, route })
    try {
      const connecting = client.connect()
      connecting.catch(() => {})
      const limit = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(gaveUp('no TCP connection')), TCP_CONNECT_LIMIT_MS)
        socket.once('connect', () => {
          clearTimeout(timer)
          timer = setTimeout(() => reject(gaveUp('no login')), CONNECT_LIMIT_MS)
        })
      })
      await Promise.race([connecting, limit])
    } catch (error) {
      socket.destroy()
      history.write({ kind: 'refused', at: monotonicMs(), session: id, error: describeError(error) })
      return null
    } finally {
      clearTimeout(timer)
    }
    isOpen = true
    history.write({ kind: 'opened', at: monotonicMs(), session: id, inHotStandby })
    if (toldEarly !== null || socket.destroyed) session.#end('other', toldEarly)
    return session
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** Whether it was answered. Anything else ends the session: what an application does after an error it cannot judge. */
  async ask(question: Question): Promise<boolean> {
    if (this.#isOver) return false
    const { history, session } = this.#options
    const op = this.#opCount
    this.#opCount += 1
    const progress: Progress = { isInDoubt: false }
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(gaveUp('no answer')), this.#options.patienceMs)
    })
    history.write({ kind: 'asked', at: monotonicMs(), session, op, ...question })
    try {
      const work = this.#run(question, progress)
      work.catch(() => {})
      const answer = await Promise.race([work, limit])
      history.write({ kind: 'answered', at: monotonicMs(), session, op, ...answer })
      return true
    } catch (error) {
      // The driver sends nothing over a session that it knows to be over; why that is, it has told before.
      const wasSent = !NEVER_SENT.test((error as Error).message)
      const described = wasSent ? describeError(error) : (this.#lastWords ?? describeError(error))
      // An ERROR in answer to a COMMIT, unlike a FATAL, says that it was rolled back.
      const isUnknown = progress.isInDoubt && wasSent && described.severity !== 'ERROR'
      history.write({ kind: isUnknown ? 'unknown' : 'failed', at: monotonicMs(), session, op, error: described })
      const isOurs = described.code === GAVE_UP || described.severity === 'ERROR'
      this.#end(isOurs ? 'client' : 'other', described)
      return false
    } finally {
      clearTimeout(timer)
    }
  }

  /** Says goodbye as a well-behaved client does, and closes. May be called again. */
  async close(): Promise<void> {
    if (this.#isOver) return
    this.#record('client', null)
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_LIMIT_MS)
    await this.#client.end().catch(() => {})
    clearTimeout(timer)
    this.#socket.destroy()
  }

  async #run({ what, n, nonce, subject }: Question, progress: Progress): Promise<Answer> {
    const [before = nonce, , after = nonce] = echoesOf(what, nonce)
    const { nodes, inTransaction } = this.#options
    if (what === 'read') return toAnswer([await this.#read(nonce, subject)], nodes)
    if (!inTransaction) {
      progress.isInDoubt = true
      return toAnswer([await this.#write(n, nonce)], nodes)
    }
    await this.#client.query(what === 'twice' ? 'BEGIN ISOLATION LEVEL REPEATABLE READ' : 'BEGIN')
    const rows: AnswerRow[] = []
    if (what === 'twice') rows.push(await this.#read(before, subject))
    rows.push(await this.#write(n, nonce))
    if (what === 'twice') rows.push(await this.#read(after, subject))
    progress.isInDoubt = true
    const { command } = await this.#client.query('COMMIT')
    if (command !== 'COMMIT')
      throw Object.assign(new Error(`COMMIT was answered with ${command}`), { severity: 'ERROR' })
    return toAnswer(rows, nodes)
  }

  async #read(nonce: string, subject: string): Promise<AnswerRow> {
    return onlyRow((await this.#client.query<AnswerRow>(READ_SQL, [nonce, subject])).rows)
  }

  async #write(n: number | null, nonce: string): Promise<AnswerRow> {
    return onlyRow((await this.#client.query<AnswerRow>(WRITE_SQL, [this.#options.client, n, nonce])).rows)
  }

  /** Only the first to end it counts; what follows from that says nothing. */
  #end(by: 'client' | 'other', error: ClientError | null): void {
    if (this.#isOver) return
    this.#record(by, error)
    this.#socket.destroy()
  }

  #record(by: 'client' | 'other', error: ClientError | null): void {
    this.#isOver = true
    this.#lastWords = error
    this.#options.history.write({ kind: 'closed', at: monotonicMs(), session: this.#options.session, by, error })
    this.#onOver()
  }
}
