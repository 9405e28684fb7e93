/**
 * Which standbys may serve reads: in recovery, on the epoch's timeline, streaming, with an upstream chain that ends at
 * the primary. Never by repmgr's `active`, which only says what repmgr last wrote.
 */

import { lsnDistanceBytes } from './lsn.ts'
import type { Situation } from './situation.ts'
import { isSameAddress, type Standing } from './standing.ts'

export function isReadable(name: string, situation: Situation): boolean {
  const { epoch } = situation.input.previous
  const standing = situation.standings.get(name)
  if (epoch === null || standing?.kind !== 'standby') return false
  const { answer } = standing
  if (answer.walReceiver?.status !== 'streaming' || answer.timelineId !== epoch.timelineId) return false
  return !endsElsewhere(name, situation, epoch.node)
}

/**
 * Follows the chain of upstreams. An upstream under a name we do not know proves nothing against the standby (NAT,
 * Docker); one that is known to be neither the primary nor a standby does, and so does a circle.
 */
function endsElsewhere(name: string, { input, standings }: Situation, primary: string): boolean {
  const seen = new Set<string>()
  let current = name
  while (current !== primary) {
    if (seen.has(current)) return true
    seen.add(current)
    const standing = standings.get(current)
    if (standing === undefined) return false
    if (standing.kind !== 'standby') return current !== name
    const { senderHost, senderPort } = standing.answer.walReceiver ?? { senderHost: null, senderPort: null }
    if (senderHost === null || senderPort === null) return false
    const sender = { host: senderHost, port: senderPort }
    const upstream = input.members.find((member) => isSameAddress(member.address, sender))
    if (upstream === undefined) return false
    current = upstream.name
  }
  return false
}

/** Bytes the standby has not replayed yet, against the primary's last known write position on the same timeline. */
export function replayLagBytes(standing: Standing, { input, standings }: Situation): number | null {
  const { epoch } = input.previous
  if (epoch === null || standing.kind !== 'standby') return null
  const primary = standings.get(epoch.node)
  if (primary?.kind !== 'claims-primary' || primary.timelineId !== standing.answer.timelineId) return null
  const { lsn } = primary.answer
  const { replayLsn } = standing.answer
  return lsn === null || replayLsn === null ? null : lsnDistanceBytes(lsn, replayLsn)
}
