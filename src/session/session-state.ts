/**
 * The life of one client session as a total table: phase x event -> phase and effects. Pure; net/session.ts performs the
 * effects and is the only one to dispatch events.
 *
 *     greeting --request--> held --routed--> dialing --dialed--> waiting --challenged--> authenticating
 *        ^                   ^                  |                  |  |                        |
 *        |                   +---- node-lost ---+------------------+  |                      ready
 *        |                                                            v                        v
 *        +-- node-lost -- greeting-again <-------- tls-declined ------+------- ready ----> relaying
 *
 * and from everywhere: end -> lingering --gone--> closed.
 *
 * greeting        The first packet is not complete. No backend.
 * held            Wants a node and has none; counted in the hold queue unless routed at once. No backend.
 * dialing         Connecting to a node. Nothing has been relayed: can start over elsewhere unseen.
 * waiting         The request is sent, the node has not said anything that was relayed: can start over unseen.
 * greeting-again  The node declined TLS, the client was told so; it may send a plain first packet now.
 * authenticating  Something that needs the client's answer was relayed: bound to this node for better or worse.
 * relaying        Logged in, or inside a TLS tunnel that we cannot read.
 * lingering       Last words and FIN are sent, the backend is gone; waiting for the client to take them.
 * closed          Both sockets are closed, nothing refers to the session any more.
 */

export const SESSION_PHASES = [
  'greeting',
  'held',
  'dialing',
  'waiting',
  'greeting-again',
  'authenticating',
  'relaying',
  'lingering',
  'closed',
] as const
export type SessionPhase = (typeof SESSION_PHASES)[number]

export const SESSION_EVENTS = [
  /** A first packet that wants a server is complete. */
  'request',
  /** A node was chosen. */
  'routed',
  'dialed',
  /** The server answered `N` to SSLRequest, and the client was told. */
  'tls-declined',
  /** Something that needs the client's answer was relayed. */
  'challenged',
  /** ReadyForQuery was relayed, or `S`: from now on bytes are bytes. */
  'ready',
  /** The node refused, reset, said 57P03, turned out to be in recovery, or may not have this session any more. */
  'node-lost',
  /** The session is over, for a reason given with the event. */
  'end',
  /** The client's socket is closed, or did not close in time. */
  'gone',
] as const
export type SessionEvent = (typeof SESSION_EVENTS)[number]

export type SessionEffect =
  /** Ask for a node; wait in the hold queue when there is none. */
  | 'seek-node'
  /** Leave the hold queue. */
  | 'leave-queue'
  | 'dial'
  | 'send-request'
  | 'start-relay'
  /** Destroy the backend socket at once: nothing more that it says reaches the client. */
  | 'drop-backend'
  /** Last words if they may be said, then FIN. */
  | 'say-farewell'
  /** Close what is open and forget the session. */
  | 'release'

export interface Transition {
  readonly to: SessionPhase
  readonly effects: readonly SessionEffect[]
}

/** `ignore`: may happen and means nothing here. `impossible`: a defect of this program. */
export type Outcome = Transition | 'ignore' | 'impossible'

const go = (to: SessionPhase, ...effects: SessionEffect[]): Transition => ({ to, effects })

const IMPOSSIBLE = {
  request: 'impossible',
  routed: 'impossible',
  dialed: 'impossible',
  'tls-declined': 'impossible',
  challenged: 'impossible',
  ready: 'impossible',
  'node-lost': 'impossible',
} as const

export const SESSION_TRANSITIONS: Readonly<Record<SessionPhase, Readonly<Record<SessionEvent, Outcome>>>> = {
  greeting: {
    ...IMPOSSIBLE,
    request: go('held', 'seek-node'),
    end: go('lingering', 'say-farewell'),
    gone: go('closed', 'release'),
  },
  held: {
    ...IMPOSSIBLE,
    routed: go('dialing', 'dial'),
    end: go('lingering', 'leave-queue', 'say-farewell'),
    gone: go('closed', 'leave-queue', 'release'),
  },
  dialing: {
    ...IMPOSSIBLE,
    dialed: go('waiting', 'send-request'),
    'node-lost': go('held', 'drop-backend', 'seek-node'),
    end: go('lingering', 'drop-backend', 'say-farewell'),
    gone: go('closed', 'drop-backend', 'release'),
  },
  waiting: {
    ...IMPOSSIBLE,
    'tls-declined': go('greeting-again'),
    challenged: go('authenticating'),
    ready: go('relaying', 'start-relay'),
    'node-lost': go('held', 'drop-backend', 'seek-node'),
    end: go('lingering', 'drop-backend', 'say-farewell'),
    gone: go('closed', 'drop-backend', 'release'),
  },
  'greeting-again': {
    ...IMPOSSIBLE,
    request: go('waiting', 'send-request'),
    // The client knows no server yet; its plain first packet will look for one anew.
    'node-lost': go('greeting', 'drop-backend'),
    end: go('lingering', 'drop-backend', 'say-farewell'),
    gone: go('closed', 'drop-backend', 'release'),
  },
  authenticating: {
    ...IMPOSSIBLE,
    challenged: 'ignore',
    ready: go('relaying', 'start-relay'),
    end: go('lingering', 'drop-backend', 'say-farewell'),
    gone: go('closed', 'drop-backend', 'release'),
  },
  relaying: {
    ...IMPOSSIBLE,
    end: go('lingering', 'drop-backend', 'say-farewell'),
    gone: go('closed', 'drop-backend', 'release'),
  },
  lingering: {
    ...IMPOSSIBLE,
    end: 'ignore',
    gone: go('closed', 'release'),
  },
  closed: {
    ...IMPOSSIBLE,
    end: 'ignore',
    gone: 'ignore',
  },
}

/** Phases in which a backend socket may be open. */
export const PHASES_WITH_BACKEND: ReadonlySet<SessionPhase> = new Set<SessionPhase>([
  'dialing',
  'waiting',
  'greeting-again',
  'authenticating',
  'relaying',
])

/** Phases from which a session can be moved to another node without the client noticing. */
export const PHASES_MOVABLE: ReadonlySet<SessionPhase> = new Set<SessionPhase>(['dialing', 'waiting', 'greeting-again'])
