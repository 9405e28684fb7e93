/**
 * P5 and P8 by the history: answers belong to their questions, servers do not take back what they have shown, and a
 * proxy's epoch does not fall. Pure.
 */
import { memoryBreaks } from './evidence.ts'
import { echoesOf } from './history.ts'
import type { ClientSession, Operation } from './history-index.ts'
import { about, type Checked, type Violation } from './violation.ts'

/** Each answer says its own question's nonce, and a session stays with the server process that it began with. */
export function checkAnswers({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const session of index.sessions) {
    let first: string | null = null
    for (const operation of session.operations) {
      const { answer, endedAt, op } = operation
      if (answer === null) continue
      const tell = (text: string): void => {
        found.push(about('answer-mixed-up', session, endedAt ?? 0, `operation ${op} ${text}`))
      }
      const expected = echoesOf(operation.what, operation.nonce).join(' ')
      if (answer.echoes.join(' ') !== expected) tell(`asked ${expected} and was answered ${answer.echoes.join(' ')}`)
      for (const view of [answer.view, ...(answer.again === null ? [] : [answer.again.view])]) {
        const server = `process ${view.pid} of ${view.node}, started ${view.startedAt}`
        first ??= server
        if (server !== first) tell(`was answered by ${server}, and the session had begun with ${first}`)
      }
      const { again, seen } = answer
      if (operation.what !== 'twice' || again === null) continue
      const isOwn = operation.subject === session.client
      const wanted = isOwn ? operation.n : seen
      if (again.seen !== wanted) tell(`saw ${seen}, wrote ${operation.n}, and then saw ${again.seen} in one snapshot`)
    }
  }
  return found
}

/**
 * One run of one server never forgets: what was acknowledged or seen there before a question was asked is in its answer.
 * Runs that write and runs that replay are different ones: a promotion may end a replay anywhere.
 */
export function checkReadsGoBack({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  const runs = new Map<string, { readonly session: ClientSession; readonly operation: Operation }[]>()
  for (const each of index.operations) {
    const { answer } = each.operation
    if (answer === null) continue
    const { node, startedAt, inRecovery } = answer.view
    const key = `${node} ${startedAt} ${inRecovery} ${each.operation.subject}`
    const list = runs.get(key)
    if (list === undefined) runs.set(key, [each])
    else list.push(each)
  }
  for (const asked of runs.values()) {
    const answered = [...asked].sort((a, b) => (a.operation.endedAt ?? 0) - (b.operation.endedAt ?? 0))
    let next = 0
    let known = 0
    for (const { session, operation } of asked) {
      for (; (answered[next]?.operation.endedAt ?? Number.POSITIVE_INFINITY) < operation.askedAt; next += 1) {
        known = Math.max(known, shownBy(answered[next]))
      }
      const seen = operation.answer?.seen ?? 0
      if (seen >= known) continue
      const text = `operation ${operation.op} saw ${seen} of ${operation.subject} on ${operation.answer?.view.node}, which had shown ${known}`
      found.push(about('read-goes-back', session, operation.endedAt ?? 0, text))
    }
  }
  return found
}

function shownBy(each: { readonly session: ClientSession; readonly operation: Operation } | undefined): number {
  if (each === undefined) return 0
  const { session, operation } = each
  const own = operation.subject === session.client ? (operation.n ?? 0) : 0
  return Math.max(own, operation.answer?.seen ?? 0)
}

/** Nobody sees what nobody had begun to write, or what was refused. */
export function checkReadsOfNothing({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  const begun = new Map<string, Map<number, Operation>>()
  for (const { session, operation } of index.operations) {
    if (operation.n === null) continue
    const writes = begun.get(session.client) ?? new Map<number, Operation>()
    begun.set(session.client, writes.set(operation.n, operation))
  }
  for (const { session, operation } of index.operations) {
    const { answer, endedAt, subject, op } = operation
    const seen = answer?.seen ?? null
    const writes = begun.get(subject)
    if (seen === null || endedAt === null || writes === undefined) continue
    const write = writes.get(seen)
    const text = `operation ${op} saw write ${seen} of ${subject}`
    if (write === undefined || write.askedAt > endedAt) {
      found.push(about('row-of-nobody', session, endedAt, `${text}, which nobody had begun`))
    } else if (write.outcome === 'failed') {
      found.push(about('write-refused-yet-there', session, endedAt, `${text}, which was refused`))
    }
  }
  return found
}

/** By the log: an epoch is followed by a higher one, and a start finds what was told last. */
export function checkEpochs({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const [proxy, told] of index.epochs) {
    const breaks = memoryBreaks(index, proxy)
    let last: { readonly node: string; readonly timelineId: number; readonly at: number } | null = null
    for (const { at, how, epoch } of told) {
      const since = last?.at ?? at
      const isBroken = breaks.some(({ from, to }) => from <= at && to >= since)
      const before = isBroken ? null : last
      last = epoch === null ? null : { ...epoch, at }
      if (before === null || epoch === null) continue
      const isSame = epoch.node === before.node && epoch.timelineId === before.timelineId
      const isHigher = epoch.timelineId > before.timelineId
      if (how === 'restored' ? isSame : isHigher) continue
      const verb = how === 'restored' ? 'found' : 'accepted'
      const now = `${verb} ${epoch.node} on timeline ${epoch.timelineId}`
      const text = `${proxy} ${now} after ${before.node} on timeline ${before.timelineId}`
      found.push({ rule: 'epoch-falls', at, text, proxy })
    }
    found.push(...forgottenStarts(proxy, told, index.processes.get(proxy) ?? [], breaks))
  }
  return found
}

type Told = Checked['index']['epochs'] extends ReadonlyMap<string, infer T> ? T : never
type Processes = Checked['index']['processes'] extends ReadonlyMap<string, infer T> ? T : never

/** A process that was started after an epoch was told, and accepts somebody without having found it. */
function forgottenStarts(
  proxy: string,
  told: Told,
  processes: Processes,
  breaks: readonly { readonly from: number; readonly to: number }[],
): readonly Violation[] {
  return processes.flatMap(({ what, at, pid }) => {
    if (what !== 'started') return []
    const before = told.findLast((each) => each.at < at)
    const next = told.find((each) => each.at >= at)
    if (before?.epoch == null || next?.how !== 'accepted') return []
    if (breaks.some(({ from, to }) => from <= next.at && to >= before.at)) return []
    const text = `${proxy}, process ${pid}, started without the epoch of ${before.epoch.node}, timeline ${before.epoch.timelineId}`
    return [{ rule: 'epoch-falls' as const, at: next.at, text, proxy }]
  })
}
