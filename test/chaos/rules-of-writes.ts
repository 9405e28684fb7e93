/**
 * What became of every write, by the table of the last primary. Pure.
 *
 * Replication is asynchronous: a write that a primary acknowledged and no standby had received is lost when a standby is
 * promoted. That is the cluster's loss, and no proxy's, if the proxy could not know. It is recognised by the last
 * primary's timeline history: the write's timeline is not among its ancestors, or the write came after the fork. A write
 * from before the fork is there. `lsn` is the position before the commit, so that the commit is certainly before the
 * fork when something asked later, of the same run of that server, was answered at a position not behind it.
 */
import { parseLsn } from '../../src/topology/lsn.ts'
import { endBoundMs } from './check-limits.ts'
import { epochNodes, knownSuccessor } from './evidence.ts'
import { type AnsweredOperation, answeredWrites, type ClientSession, type HistoryIndex } from './history-index.ts'
import type { FinalState } from './tables.ts'
import { about, type Checked, type Violation } from './violation.ts'

/** Nothing can be said without the final table, and that is said. */
export function checkWrites({ index, final, limits }: Checked): readonly Violation[] {
  if (final === null) {
    return [{ rule: 'history', at: index.endAt, text: 'the final table was not read: no write can be accounted for' }]
  }
  const found: Violation[] = []
  const rows = countRows(final)
  const known = new Set<string>()
  for (const { session, operation } of index.operations) {
    const { n, nonce, outcome, endedAt, op } = operation
    if (n === null) continue
    const key = keyOf(session.client, n, nonce)
    known.add(key)
    const copies = rows.get(key) ?? 0
    const at = endedAt ?? index.endAt
    if (copies > 1)
      found.push(about('write-twice', session, at, `operation ${op}, write ${n}, is there ${copies} times`))
    if (outcome === 'failed' && copies > 0) {
      found.push(about('write-refused-yet-there', session, at, `operation ${op}, write ${n}, was refused`))
    }
  }
  const forks = new Forks(index, final)
  for (const write of answeredWrites(index)) {
    const { session, operation } = write
    const { n, nonce, answer, endedAt, askedAt } = operation
    if (n === null || rows.has(keyOf(session.client, n, nonce))) continue
    const { node, timelineId } = answer.view
    const what = `write ${n}, acknowledged by ${node} on timeline ${timelineId} at ${answer.lsn}, is lost`
    if (!forks.explain(write)) {
      found.push(about('write-lost', session, endedAt, `${what}, though it belongs to the last primary's own past`))
      continue
    }
    const proxy = session.proxy
    const allowed = epochNodes(index, proxy, askedAt - endBoundMs(limits), endedAt, limits)
    const successor = knownSuccessor(index, proxy, timelineId ?? 0, askedAt, limits)
    if ((allowed === null || allowed.has(node)) && successor === null) continue
    found.push(
      about('write-lost', session, endedAt, `${what} with a fork, and ${proxy} knew that it is not the primary`),
    )
  }
  for (const { client, n, nonce } of final.rows) {
    if (known.has(keyOf(client, n, nonce))) continue
    found.push({
      rule: 'row-of-nobody',
      at: index.endAt,
      text: `the row ${client}, ${n}, ${nonce} was written by nobody`,
    })
  }
  return found
}

/** How many acknowledged writes are not in the final table, explained or not. */
export function countLost(index: HistoryIndex, final: FinalState): number {
  const rows = countRows(final)
  return answeredWrites(index).filter(({ session, operation: { n, nonce } }) => {
    return n !== null && !rows.has(keyOf(session.client, n, nonce))
  }).length
}

function countRows({ rows }: FinalState): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { client, n, nonce } of rows) {
    const key = keyOf(client, n, nonce)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

function keyOf(client: ClientSession['client'], n: number, nonce: string): string {
  return `${client}\n${n}\n${nonce}`
}

/** What the history of the last primary's timelines says of a write. */
class Forks {
  readonly #index: HistoryIndex
  readonly #final: FinalState
  /** By run of a server and timeline: what was answered, by the time it was asked. */
  readonly #answered = new Map<string, AnsweredOperation[]>()
  readonly #holders = new Map<number, Set<string>>()

  constructor(index: HistoryIndex, final: FinalState) {
    this.#index = index
    this.#final = final
    for (const write of answeredWrites(index)) {
      const key = runOf(write)
      const list = this.#answered.get(key)
      if (list === undefined) this.#answered.set(key, [write])
      else list.push(write)
      this.#hold(write.operation.answer.view.timelineId, write.operation.answer.view.node)
    }
    for (const [node, truths] of this.#index.truths) {
      for (const { inRecovery, timelineId } of truths) if (inRecovery === false) this.#hold(timelineId, node)
    }
  }

  /** Whether a write that is not there can have been lost with a fork. */
  explain(write: AnsweredOperation): boolean {
    const { timelineId } = write.operation.answer.view
    if (timelineId === null) return false
    // Two promotions from one timeline are two histories with one number.
    if ((this.#holders.get(timelineId)?.size ?? 0) > 1) return true
    if (timelineId === this.#final.timelineId) return false
    const fork = this.#final.forks.find((each) => each.timelineId === timelineId)
    if (fork === undefined) return true
    const { endedAt } = write.operation
    const isBefore = (this.#answered.get(runOf(write)) ?? []).some(({ operation }) => {
      const lsn = parseLsn(operation.answer.lsn ?? '')
      return operation.askedAt >= endedAt && lsn !== null && lsn <= fork.endLsn
    })
    return !isBefore
  }

  #hold(timelineId: number | null, node: string): void {
    if (timelineId === null) return
    const holders = this.#holders.get(timelineId)
    if (holders === undefined) this.#holders.set(timelineId, new Set([node]))
    else holders.add(node)
  }
}

function runOf({ operation }: AnsweredOperation): string {
  const { node, startedAt, timelineId } = operation.answer.view
  return `${node} ${startedAt} ${timelineId}`
}
