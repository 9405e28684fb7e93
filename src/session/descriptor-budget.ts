/**
 * What the limit of open files allows: how many sessions fit, and when nobody more is let in. Pure session layer. A
 * session takes one descriptor for its client and one for its server.
 *
 *     0 ------ sessions ------ politeness ------ own needs ------ limit
 *
 * Node cannot leave a connection in the kernel's queue, and with no descriptor left libuv takes and closes it without a
 * word to the program; probes, the state file and dials would fail as well. So the proxy stops before that.
 */

/** For the proxy itself: standard streams, event loop, listeners, probes (two a node), state file, admin connections. */
export const OWN_DESCRIPTORS = 64
/** The most that is kept for clients that are being told that there is no room, and for those that say nothing. */
const POLITENESS_MAX = 256

export interface DescriptorBudget {
  /** Sessions that fit; more are told so. */
  readonly sessionsMax: number
  /** Descriptors of sessions from which on nobody is let in. */
  readonly shutsAt: number
  /** Descriptors of sessions below which they are let in again. Lower, or it would open and shut all the time. */
  readonly opensAt: number
}

/** Of a limit that is not known. */
const UNBOUNDED: DescriptorBudget = {
  sessionsMax: Number.POSITIVE_INFINITY,
  shutsAt: Number.POSITIVE_INFINITY,
  opensAt: Number.POSITIVE_INFINITY,
}

/** `limit`: how many files the process may have open; `null` when that is not known. At least one session fits. */
export function descriptorBudget(limit: number | null): DescriptorBudget {
  if (limit === null) return UNBOUNDED
  const politeness = Math.min(POLITENESS_MAX, Math.floor(limit / 8))
  const shutsAt = Math.max(limit - OWN_DESCRIPTORS, 4)
  return {
    sessionsMax: Math.max(1, Math.floor((shutsAt - politeness) / 2)),
    shutsAt,
    opensAt: Math.max(2, shutsAt - Math.ceil(politeness / 2)),
  }
}

/** The limit of open files that `sessionsMax` sessions need: the other way round. */
export function descriptorsFor(sessionsMax: number): number {
  let limit = 2 * sessionsMax + OWN_DESCRIPTORS
  while (descriptorBudget(limit).sessionsMax < sessionsMax) limit += POLITENESS_MAX
  return limit
}
