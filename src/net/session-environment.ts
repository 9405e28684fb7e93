/**
 * What a session needs of the process around it, and what its listener is like. Shared by all sessions of a listener;
 * settings are read anew at every use, so that a reload reaches sessions that are already there.
 */
import type { LookupFunction } from 'node:net'
import type { Logger } from 'pino'
import type { Clock } from '../ports.ts'
import type { TlsHandling } from '../session/greeting.ts'
import type { NodeAddress } from '../topology/observation.ts'
import type { RouteRequest } from '../topology/route-session.ts'
import type { Admission } from './admission.ts'
import type { ServerTls } from './server-tls.ts'
import type { SessionEndLog } from './session-end-log.ts'
import type { SessionRegistry } from './session-registry.ts'
import type { TlsAcceptor } from './tls-acceptor.ts'

export interface SessionSettings {
  readonly sessionsMax: number
  /** 0: as many as there may be at all. */
  readonly sessionsPerAddressMax: number
  readonly startupTimeoutMs: number
  readonly connectTimeoutMs: number
  /** 0: nobody is held. */
  readonly holdTimeoutMs: number
  /** Idle time before TCP keepalive probes; 0 for none. */
  readonly keepAliveServerMs: number
}

/** Something seen in passing that a probe should look into. Never a verdict. */
export type Hint =
  /** A dial was refused or reset, or a login got 57P03: only a fresh connection shows whether it takes anybody. */
  | 'not-accepting'
  /** The server's side of a session broke, or it said 57P01, 57P02 or 25006. */
  | 'suspicious'

/** How TLS ends here. */
export interface Termination {
  readonly acceptor: TlsAcceptor
  /** Plain clients are refused. */
  readonly requiresTls: boolean
  /** `null`: servers are reached in plain. */
  readonly serverTls: ServerTls | null
}

export interface SessionEnvironment {
  /** The listener's address as in the configuration. */
  readonly listener: string
  readonly request: RouteRequest
  readonly tlsMode: TlsHandling
  /** There with `terminate`, and only then. */
  readonly termination?: Termination
  /** Whether whoever connects from this address has to begin with a PROXY header; left out: nobody. */
  readonly awaitsProxyHeader?: (peer: string) => boolean
  /** What happens to read sessions on a standby that is promoted. */
  readonly onPromotion: 'keep' | 'end'
  readonly settings: () => SessionSettings
  /** `null` when the node is no longer a member. */
  readonly addressOf: (node: string) => NodeAddress | null
  /** Places of client addresses, where other processes have sessions of theirs as well; left out: they are all here. */
  readonly places?: {
    /** Resolves to whether there was one left; then it is taken. */
    readonly take: (client: string, placesMax: number) => Promise<boolean>
    /** One was taken without a question, where there is no limit now: there may be one later. */
    readonly note: (client: string) => void
    readonly leave: (client: string) => void
  }
  /** Asks processes beside this one for the node of the session that owns a cancel key; left out: there are none. */
  readonly findCancelNode?: (key: string) => Promise<string | null>
  /** Nodes that a CancelRequest with an unknown key goes to. */
  readonly cancelTargets: (request: RouteRequest) => readonly string[]
  readonly onHint: (node: string, hint: Hint) => void
  /** A dial has come to its end: `null` when it was connected, else the errno name. */
  readonly onDialed: (node: string, errno: string | null) => void
  readonly admission: Admission
  readonly registry: SessionRegistry
  readonly clock: Clock
  readonly lookup: LookupFunction
  readonly logger: Logger
  readonly endLog: SessionEndLog
}
