/** A tally as a good run gives it. Test support of the demo's own tests. */
import type { Tally } from './tally.ts'

export const GOOD_TALLY: Tally = {
  writesAcknowledged: 4_135,
  writesLost: 0,
  writesOnOldPrimary: 0,
  writesRepeated: 13,
  errorsBySqlstate: { '08006': 4, '57P01': 10 },
  readOnlyErrors: 0,
  connectionsOpened: 813,
  connectionsRefused: 0,
  refusalsByCode: {},
  loginsCutShort: 2,
  longestConnectMs: 1_710.4,
  longestStallMs: 1_760.2,
  outages: [{ what: 'node1 killed, node2 promoted', withoutPrimaryMs: 1_650, withoutWriteMs: 1_700 }],
  promotions: [{ node: 'node2', toRoutedMs: 12, toFirstSessionMs: 66.7 }],
}
