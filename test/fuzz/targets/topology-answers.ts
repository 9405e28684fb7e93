/** Answers of nodes, drawn from bytes: of any role, timeline and cluster, with any rows. Test support. */
import { parseLsn } from '../../../src/topology/lsn.ts'
import type { NodeAnswer, RepmgrEvidence, RepmgrNodeRow } from '../../../src/topology/observation.ts'
import type { Member } from '../../../src/topology/standing.ts'
import type { ByteReader } from '../byte-reader.ts'

/** Mostly the cluster's own. */
export const IDENTIFIERS = ['7000000000000000001', '7000000000000000001', '7000000000000000001', '7999999999999999999']
export const NAMES = ['node1', 'node2', 'node3', 'node4']
export function memberOf(name: string): Member {
  return { name, address: { host: `10.0.0.${name.replace('node', '')}`, port: 5432 } }
}

/** Reads up to twenty choices. `members`: whom it may say that it follows. */
export function answerOf(reader: ByteReader, name: string, members: readonly Member[]): NodeAnswer {
  const inRecovery = reader.isRare(2)
  const timeline = 1 + reader.below(4)
  const upstream = reader.pick(members).address
  return {
    inRecovery,
    timelineId: inRecovery && reader.isRare(3) ? null : timeline,
    timelineIdAtLeast: reader.isRare(4) ? timeline + 1 : timeline,
    systemIdentifier: reader.pick(IDENTIFIERS),
    // Sometimes the same server behind two names, sometimes restarted.
    postmasterStartedAt: `${reader.isRare(6) ? 'node1' : name}-${reader.below(3)}`,
    lsn: parseLsn('0/5000060'),
    replayLsn: inRecovery ? parseLsn('0/5000000') : null,
    walReceiver:
      inRecovery && !reader.isRare(4)
        ? {
            status: reader.isRare(5) ? 'waiting' : 'streaming',
            senderHost: upstream.host,
            senderPort: upstream.port,
            receivedTimelineId: timeline,
            lastMessageAgeMs: 10,
          }
        : null,
    defaultTransactionReadOnly: reader.isRare(8),
    repmgr: repmgrOf(reader, name),
  }
}

function repmgrOf(reader: ByteReader, name: string): RepmgrEvidence {
  const kind = reader.below(6)
  if (kind === 0) return { kind: 'absent' }
  if (kind === 1) return { kind: 'denied', missing: 'GRANT' }
  const primary = kind < 4 ? name : reader.pick(NAMES)
  const rows = NAMES.slice(0, 1 + reader.below(4)).map((nodeName, index): RepmgrNodeRow => {
    const type = nodeName === primary ? 'primary' : reader.isRare(6) ? 'witness' : 'standby'
    const address = reader.isRare(8) ? null : memberOf(reader.isRare(8) ? reader.pick(NAMES) : nodeName).address
    return { nodeId: index + 1, nodeName, type, active: !reader.isRare(5), upstreamNodeId: 1, address }
  })
  return { kind: 'rows', rows, localNodeId: reader.isRare(4) ? reader.below(6) : null }
}
