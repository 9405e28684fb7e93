/**
 * Watches a backend's stream from the first answer to ReadyForQuery and says what to do with each message: keep it back,
 * or relay it. Pure: frames in, instructions out. Messages are kept back for as long as nothing that needs the client's
 * answer was relayed, so that a login on the wrong server can be undone unseen.
 */
import { needsAnswer, readAuthenticationCode, withoutChannelBinding } from '../protocol/authentication.ts'
import { readBackendKey } from '../protocol/backend-key-data.ts'
import { parseErrorFields } from '../protocol/error-response.ts'
import { MessageFramer } from '../protocol/message-framer.ts'
import { BACKEND_MESSAGE_TYPES as TYPES } from '../protocol/message-types.ts'
import { readParameterStatus } from '../protocol/parameter-status.ts'
import { readTransactionStatus, type TransactionStatus } from '../protocol/ready-for-query.ts'

/** No message of a login is larger than this; more is not a login we understand, and is relayed as it comes. */
export const LOGIN_MESSAGE_BYTES_MAX = 64 * 1024

/** What is kept back at most before it is relayed after all. */
export const LOGIN_KEPT_BYTES_MAX = 64 * 1024

/** 57P03: the server takes nobody now. */
const CANNOT_CONNECT_NOW = '57P03'

/** The server stops, or another of its processes has crashed. */
const STOPPING: ReadonlySet<string> = new Set(['57P01', '57P02'])

export type LoginStep =
  /** Relay these bytes: they need the client's answer, or are too many to keep. The session is bound to the server. */
  | { readonly kind: 'relay'; readonly bytes: readonly Buffer[] }
  /**
   * The server takes nobody now. `unseen`: nothing was relayed yet, the session may go elsewhere. Else it is 57P01 or
   * 57P02, after which no driver tries its next host: a client in the middle of a login had better be told 57P03.
   */
  | { readonly kind: 'not-accepting'; readonly sqlState: string; readonly message: string; readonly unseen: boolean }
  /** `in_hot_standby` is on: the server is in recovery. `unseen` when the client was not asked anything yet. */
  | { readonly kind: 'in-recovery'; readonly unseen: boolean }
  /**
   * ReadyForQuery: relay `bytes`, then `rest` belongs to the relay phase. `key` is the cancel key, `null` when the
   * server sent none (a replication connection to an old server, say).
   */
  | {
      readonly kind: 'ready'
      readonly bytes: readonly Buffer[]
      readonly rest: Buffer
      readonly key: string | null
      readonly transactionStatus: TransactionStatus | null
    }
  /** Not a stream we can frame: relay everything as it is from here on. */
  | { readonly kind: 'unreadable'; readonly bytes: readonly Buffer[] }

export class LoginWatch {
  readonly #framer = new MessageFramer({ messageBytesMax: LOGIN_MESSAGE_BYTES_MAX })
  readonly #refusesRecovery: boolean
  readonly #hidesChannelBinding: boolean
  #kept: Buffer[] = []
  #keptBytes = 0
  #isBound = false
  #refusal: string | null = null
  #key: string | null = null

  /**
   * `refusesRecovery`: true for sessions that must be on a primary. `hidesChannelBinding`: true when the server is
   * reached over TLS and its client is not.
   */
  constructor(options: { readonly refusesRecovery: boolean; readonly hidesChannelBinding?: boolean }) {
    this.#refusesRecovery = options.refusesRecovery
    this.#hidesChannelBinding = options.hidesChannelBinding ?? false
  }

  /** Whether anything that needs the client's answer, or more than we keep, was handed out to be relayed. */
  get isBound(): boolean {
    return this.#isBound
  }

  /** The SQLSTATE of the ErrorResponse that says why the server ends the login, empty if it has none; `null` before. */
  get refusal(): string | null {
    return this.#refusal
  }

  /** What was received and not handed out yet: to be relayed when the server ends the login in its own words. */
  takeKept(): readonly Buffer[] {
    const kept = this.#kept
    this.#kept = []
    this.#keptBytes = 0
    return kept
  }

  /** Takes the next bytes. `ready`, `not-accepting`, `in-recovery` and `unreadable` are final. */
  *push(chunk: Buffer): Generator<LoginStep, void, undefined> {
    for (const message of this.#framer.push(chunk)) {
      if (message.kind === 'malformed') {
        yield { kind: 'unreadable', bytes: [...this.takeKept(), this.#framer.rest()] }
        return
      }
      const { type, payload, bytes } = message
      if (type === TYPES.errorResponse) {
        const fields = parseErrorFields(payload)
        const sqlState = fields?.sqlState ?? ''
        if (STOPPING.has(sqlState) || (sqlState === CANNOT_CONNECT_NOW && !this.#isBound)) {
          yield { kind: 'not-accepting', sqlState, message: fields?.message ?? '', unseen: !this.#isBound }
          return
        }
        this.#refusal = sqlState
      }
      if (type === TYPES.parameterStatus && this.#refusesRecovery && isInHotStandby(payload)) {
        yield { kind: 'in-recovery', unseen: !this.#isBound }
        return
      }
      if (type === TYPES.backendKeyData) this.#key = readBackendKey(payload)
      const isHidden = this.#hidesChannelBinding && type === TYPES.authentication
      this.#keep(isHidden ? withoutChannelBinding(bytes) : bytes)
      if (type === TYPES.readyForQuery) {
        const transactionStatus = readTransactionStatus(payload)
        yield { kind: 'ready', bytes: this.takeKept(), rest: this.#framer.rest(), key: this.#key, transactionStatus }
        return
      }
      const challenge = type === TYPES.authentication && needsAnswer(readAuthenticationCode(payload) ?? -1)
      if (challenge || this.#keptBytes > LOGIN_KEPT_BYTES_MAX) {
        this.#isBound = true
        yield { kind: 'relay', bytes: this.takeKept() }
      }
    }
  }

  #keep(bytes: Buffer): void {
    this.#kept.push(bytes)
    this.#keptBytes += bytes.length
  }
}

function isInHotStandby(payload: Buffer): boolean {
  const status = readParameterStatus(payload)
  return status?.name === 'in_hot_standby' && status.value === 'on'
}
