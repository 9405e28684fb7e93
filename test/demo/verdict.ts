/**
 * Which promises of the proxy a tally shows to be broken. Pure. Times are not among them: how fast a machine is that runs
 * two servers, a proxy and an application at once is nothing that a proxy can promise.
 */
import { describeCodes } from './app-event.ts'
import type { Tally } from './tally.ts'

/** One sentence for each broken promise; none: all were kept. */
export function brokenPromises(tally: Tally): readonly string[] {
  const broken: string[] = []
  if (tally.writesAcknowledged === 0) broken.push('the application could not write at all')
  if (tally.writesLost > 0) broken.push(`${tally.writesLost} acknowledged writes are not in the database`)
  if (tally.writesOnOldPrimary > 0) {
    broken.push(`${tally.writesOnOldPrimary} writes went to a node after another had been promoted`)
  }
  if (tally.readOnlyErrors > 0) broken.push(`${tally.readOnlyErrors} read-only errors (25006)`)
  if (tally.connectionsRefused > 0) {
    broken.push(
      `${tally.connectionsRefused} new connections were refused rather than held (${describeCodes(tally.refusalsByCode)})`,
    )
  }
  for (const { node, toFirstSessionMs } of tally.promotions) {
    if (toFirstSessionMs === null) broken.push(`no new session reached ${node} after its promotion`)
  }
  return broken
}
