/**
 * P3 by the history: new sessions are held, not refused, within the bounds of time, and go on by themselves. Pure.
 */
import {
  anotherWasAccepted,
  CLIENTS,
  proxyWasAway,
  proxyWasFrozen,
  proxyWasUnreachable,
  serverEnded,
  wasDisturbed,
} from './causes.ts'
import { SILENT_CLIENTS } from './client-plan.ts'
import { classifyError, type ErrorKind } from './error-words.ts'
import { faultsDuring, touchesPath } from './evidence.ts'
import type { ClientError } from './history.ts'
import type { ClientSession } from './history-index.ts'
import { about, type Checked, type Violation } from './violation.ts'

/** Has a rule of its own. */
const READ_ONLY = '25006'
/** The proxy's timer and the client's clock: hold-expired is told so much early at most. */
const EARLY_MS = 500
/** A primary that is there for so long has released everybody; 200 a second are. */
const RELEASED_WITHIN_MS = 5_000
/** Of the slack, for the dial and the login, each of several round trips. */
const LOGIN_SLACKS = 3
/** Kernels and queues notice what is over a moment later. */
const AFTERMATH_MS = 2_000
/** Standbys have 10 s to stream again (ADR 7), and as long again to be found and to catch up. */
const STANDBY_AFTERMATH_MS = 20_000

/** Every attempt to connect that failed: was it held first, or was there a cause? */
export function checkRefusals(checked: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const session of checked.index.sessions) {
    const { refusedAt, error, route, connectAt } = session
    if (refusedAt === null || error === null) continue
    const kind = classifyError(error, 'connect', route)
    if (kind === null) continue
    const waitedMs = Math.round(refusedAt - connectAt)
    const words = `${error.code ?? ''} ${error.message}${error.detail === null ? '' : ` (${error.detail})`}`
    const text = `was refused after ${waitedMs} ms: ${words.trim()}`
    if (kind === 'hold-expired' && refusedAt - connectAt >= checked.limits.holdTimeoutMs - EARLY_MS) {
      const had = longestWithPrimary(session, refusedAt, checked)
      if (route === 'write' && had >= RELEASED_WITHIN_MS) {
        found.push(about('held-with-primary', session, refusedAt, `${text}, though there was a primary for ${had} ms`))
      }
      continue
    }
    if (isCaused(kind, session, refusedAt, checked)) continue
    const rule = kind === 'hold-expired' ? 'refused-early' : 'refused-without-cause'
    found.push(about(rule, session, refusedAt, text))
  }
  return found
}

function isCaused(kind: ErrorKind, session: ClientSession, refusedAt: number, { index, limits }: Checked): boolean {
  const { proxy, connectAt } = session
  const [from, to] = [connectAt - AFTERMATH_MS, refusedAt]
  const nodes = [...index.truths.keys()]
  const wasInterrupted = (): boolean =>
    nodes.some((node) => serverEnded(index, node, from, to)) ||
    nodes.some((node) => anotherWasAccepted(index, proxy, node, from, to, limits))
  switch (kind) {
    case 'hold-expired':
    case 'node-lost':
    case 'backend-lost':
      return wasInterrupted()
    case 'no-standby':
      return wasDisturbed(index, connectAt - STANDBY_AFTERMATH_MS, to)
    case 'stopping':
    case 'connection-lost':
      return proxyWasAway(index, proxy, from, to)
    case 'gave-up':
      // A login that had begun waits for its own server, however long that says nothing.
      return (
        proxyWasUnreachable(index, proxy, from, to) ||
        proxyWasFrozen(index, proxy, from, to) ||
        isStalled(index, proxy, from, to)
      )
    case 'conflict':
      return false
    default: {
      const unhandled: never = kind
      return unhandled
    }
  }
}

/** A node stood still, or could not be reached well from the proxy, or the proxy from its clients. */
function isStalled(index: Checked['index'], proxy: string, from: number, to: number): boolean {
  const nodes = [...index.truths.keys()]
  return faultsDuring(index, from, to).some((fault) => {
    const { frozen, nameless } = fault.effect
    const isFrozen = nodes.some((node) => frozen?.includes(node))
    const isOnTheWay = [CLIENTS, ...nodes].some((host) => touchesPath(fault, host, proxy))
    return isFrozen || isOnTheWay || nameless?.includes(proxy) === true
  })
}

/** The longest time, in ms, for which the proxy told without a break that there is a primary while this one waited. */
function longestWithPrimary({ proxy, connectAt }: ClientSession, until: number, { index, limits }: Checked): number {
  const decisions = index.decisions.get(proxy) ?? []
  let longest = 0
  let since: number | null = null
  const isPresent = (primary: string | null | undefined): boolean => typeof primary === 'string'
  if (isPresent(decisions.findLast(({ at }) => at <= connectAt)?.primary)) since = connectAt
  for (const { at, primary } of decisions) {
    if (at <= connectAt || at > until) continue
    if (since !== null) longest = Math.max(longest, at - since)
    since = isPresent(primary) ? (since ?? at) : null
  }
  if (since !== null) longest = Math.max(longest, until - since)
  // A frozen proxy releases nobody, and the line that it is over comes late.
  const isDisturbed = proxyWasFrozen(index, proxy, connectAt, until) || proxyWasAway(index, proxy, connectAt, until)
  return isDisturbed ? 0 : Math.max(0, Math.round(longest - limits.logLagMs))
}

/** A connect is decided, one way or the other, when `hold.timeout` is over, and goes on soon when there is a primary. */
export function checkConnectTimes(checked: Checked): readonly Violation[] {
  const { index, limits } = checked
  const found: Violation[] = []
  for (const session of index.sessions) {
    const { connectAt, proxy, openedAt, refusedAt, route } = session
    const decidedAt = openedAt ?? refusedAt ?? index.endAt
    const tookMs = Math.round(decidedAt - connectAt)
    const isLong = tookMs > limits.holdTimeoutMs + LOGIN_SLACKS * limits.slackMs
    const hadMs = openedAt === null || route === 'read' ? 0 : longestWithPrimary(session, openedAt, checked)
    const isHeld = hadMs > RELEASED_WITHIN_MS + LOGIN_SLACKS * limits.slackMs
    if (!isLong && !isHeld) continue
    const isExcused =
      proxyWasAway(index, proxy, connectAt, decidedAt) ||
      proxyWasFrozen(index, proxy, connectAt, decidedAt) ||
      isStalled(index, proxy, connectAt, decidedAt)
    if (isExcused) continue
    const text = `took ${tookMs} ms to be logged in or refused`
    if (isLong) found.push(about('connect-takes-long', session, decidedAt, text))
    else found.push(about('held-with-primary', session, decidedAt, `${text}, with a primary for ${hadMs} ms of them`))
  }
  return found
}

/** Each client is answered between `healed` and `calm`, and that within the bound. */
export function checkLiveness({ index, limits }: Checked): readonly Violation[] {
  const found: Violation[] = []
  const clients = new Set(index.sessions.map(({ client }) => client))
  for (const [i, phase] of index.phases.entries()) {
    if (phase.phase !== 'healed') continue
    const next = index.phases[i + 1]
    // The run broke off before the bound was over: nothing is known.
    if (next === undefined) continue
    const until = Math.min(phase.at + limits.livenessMs + limits.slackMs, Math.max(next.at, phase.at))
    // `calm` does not wait for those that are silent for long.
    const isEarly = next.at - phase.at < limits.livenessMs
    for (const client of clients) {
      if (isEarly && SILENT_CLIENTS.test(client)) continue
      const isServed = index.operations.some(
        ({ session, operation: { outcome, endedAt } }) =>
          session.client === client &&
          outcome === 'answered' &&
          endedAt !== null &&
          endedAt > phase.at &&
          endedAt <= until,
      )
      if (isServed) continue
      const waitedMs = Math.round(until - phase.at)
      const text = `${client} was not served within ${waitedMs} ms after episode ${phase.episode} was healed`
      found.push({ rule: 'liveness', at: until, text })
    }
  }
  return found
}

/** Every error is one that is documented for where it was seen. */
export function checkErrors({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  const check = (
    session: ClientSession,
    error: ClientError | null,
    during: 'connect' | 'session',
    at: number,
  ): void => {
    if (error === null || error.code === READ_ONLY || classifyError(error, during, session.route) !== null) return
    const words = [error.code ?? 'no code', error.message, error.detail].filter((each) => each !== null).join(', ')
    found.push(
      about('unknown-error', session, at, `was told, ${during === 'connect' ? 'connecting' : 'open'}: ${words}`),
    )
  }
  for (const session of index.sessions) {
    if (session.refusedAt !== null) check(session, session.error, 'connect', session.refusedAt)
    const operationErrors = session.operations.map(({ error }) => error?.message)
    for (const { error, endedAt } of session.operations) check(session, error, 'session', endedAt ?? 0)
    if (session.closedAt === null || operationErrors.includes(session.error?.message)) continue
    check(session, session.error, 'session', session.closedAt)
  }
  return found
}
