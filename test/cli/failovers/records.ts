/** Records of the failover journal for tests of the command line. Test support. */
import type { FailoverRecord } from '../../../src/observability/failover-record.ts'
import { epochOf, JournalRig } from '../../observability/journal-rig.ts'

/** Oldest first: a first acceptance, a failover with held sessions, an interrupted outage and one in progress. */
export function journalRecords(): readonly FailoverRecord[] {
  const silent = ['node1']
  const rig = new JournalRig()
    .at(20)
    .accepts('node1', 1, 'accepting node1 as primary on timeline 1: nobody contradicts it')
  rig.at(22).serving('node1').tell({ kind: 'first-routed', node: 'node1' })
  rig.at(100_000).serving('node1', 10)
  rig
    .at(100_052, { lost: 8 })
    .none('node1, primary on timeline 1, refuses connections', { silent, standbys: ['node2'] })
  rig.tell({ kind: 'fenced', endedCount: 2 }).at(101_500, { held: 9, waiting: 7, expired: 1 })
  rig.accepts('node2', 2, 'accepting node2 as primary on timeline 2: node1 refuses connections', { silent })
  rig.at(101_502).serving('node2').tell({ kind: 'first-routed', node: 'node2' })
  rig.at(101_540, { waiting: 0, released: 7 }).tell({ kind: 'all-released' })
  rig.at(300_000).serving('node2', 4).at(300_060).none('node2 does not answer')
  const next = new JournalRig({ records: rig.journal.records, epoch: epochOf('node2', 2) })
  return next.at(400_000).none('node2 refuses connections').journal.records
}
