/** repmgr's events as the metrics count them. Pure. What each means is repmgr's to say; none is more than a hint here. */

/** Events that are about who is primary, or who is there at all: each has its own count in the metrics. */
export const COUNTED_EVENTS = [
  'standby_promote',
  'repmgrd_failover_promote',
  'repmgrd_failover_follow',
  'standby_switchover',
  'standby_follow',
  'primary_register',
  'standby_register',
  'node_rejoin',
  'child_node_disconnect',
] as const

/** Values of the metric's label. */
export const EVENT_LABELS = [...COUNTED_EVENTS, 'other'] as const
export type EventLabel = (typeof EVENT_LABELS)[number]

/** Of a bounded number of values, whatever is sent. */
export function eventLabel(event: string): EventLabel {
  return COUNTED_EVENTS.find((known) => known === event) ?? 'other'
}
