/** What became of a dial, in few enough words for a metric's label. Effect layer, but a pure function. */

export const DIAL_RESULTS = ['connected', 'refused', 'reset', 'timeout', 'unreachable', 'dns', 'error'] as const
export type DialResult = (typeof DIAL_RESULTS)[number]

const RESULT_OF_ERRNO: Readonly<Record<string, DialResult>> = {
  ECONNREFUSED: 'refused',
  // The socket file of a Unix socket goes with the postmaster.
  ENOENT: 'refused',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENETDOWN: 'unreachable',
  ENOTFOUND: 'dns',
}

/** `errno`: its name; `null` when it was connected. `error` is what we cannot name, and faults of our own side. */
export function dialResult(errno: string | null): DialResult {
  if (errno === null) return 'connected'
  return RESULT_OF_ERRNO[errno] ?? (errno.startsWith('EAI_') ? 'dns' : 'error')
}
