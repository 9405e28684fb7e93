/**
 * The words that clients are promised, as drivers, pools and frameworks look for them. Written out here, apart from the
 * code that sends them: a word changed there is a contract broken, and these tests say so.
 */

export const NO_PRIMARY =
  'the database system is not accepting connections: no primary available (no connection to the server)'
export const HOLD_QUEUE_FULL =
  'the database system is not accepting connections: connection hold queue is full (no connection to the server)'
export const SHUTTING_DOWN = 'the database system is shutting down'
export const SESSION_ENDED = 'terminating connection due to administrator command'
export const TOO_MANY_CLIENTS = 'sorry, too many clients already'
