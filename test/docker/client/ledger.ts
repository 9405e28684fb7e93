/**
 * What the clients of a container scenario have seen: the form in which they tell it over HTTP. Shared by the program in
 * the container and by the test that asks it. Pure. All times are milliseconds of the machine's wall clock, which all
 * containers share.
 */

/** An invoice of which a client was told that it is written. */
export interface Acknowledgement {
  readonly number: string
  readonly client: string
  /** `cluster_name` of the server, which is the node's name. */
  readonly node: string
  /** The server's timeline. */
  readonly timelineId: number
  /** The server's WAL position as the row went in, before its commit. */
  readonly lsn: string
  readonly sentAt: number
  readonly at: number
}

/** Something that went wrong: while connecting, with an invoice under way, or between two. */
export interface ClientError {
  readonly client: string
  readonly phase: 'connect' | 'write' | 'idle'
  /** SQLSTATE, or the errno name of a broken socket. */
  readonly code: string
  readonly message: string
  readonly detail: string | null
  /** When the attempt began. */
  readonly sentAt: number
  readonly at: number
}

/** Everything, in order of time. */
export interface Ledger {
  readonly acknowledged: readonly Acknowledgement[]
  readonly errors: readonly ClientError[]
}

/** How far each client is: acknowledgements by node, and its last error. */
export interface Progress {
  readonly [client: string]: {
    readonly acknowledged: Readonly<Record<string, number>>
    readonly lastError: string | null
  }
}
