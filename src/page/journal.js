/** The failover journal as a timeline: for each change of primary, how long each step took. Part of the live page. */
import { byId, html, icon, setText } from './elements.js'
import { count, duration, timeOfDay } from './words.js'

/** @import { FailoverList } from '../observability/failover-list.ts' */
/** @import { FailoverMoment, FailoverRecord, FailoverKind } from '../observability/failover-record.ts' */
/** @import { IconName } from './elements.js' */

/** @type {Readonly<Record<FailoverKind, { readonly word: string, readonly icon: IconName }>>} */
const KINDS = {
  failover: { word: 'Failover', icon: 'fork' },
  switchover: { word: 'Switchover', icon: 'copy' },
  'first-acceptance': { word: 'First primary', icon: 'check' },
  'operator-accept': { word: 'Accepted by an operator', icon: 'check' },
  outage: { word: 'Outage', icon: 'pause' },
}

/** The steps, each up to its moment; the words say what had happened then. */
const STEPS = /** @type {const} */ ([
  { until: 'detection', word: 'detected' },
  { until: 'proof', word: 'primary proven' },
  { until: 'firstRouted', word: 'first session routed' },
  { until: 'allReleased', word: 'all released' },
])

/**
 * @param {FailoverList} list
 * @param {number} now milliseconds since 1970
 */
export function showJournal({ total, failovers }, now) {
  byId('journal').replaceChildren(...failovers.map((record) => entry(record, now)))
  const older = total - failovers.length
  const note = total === 0 ? 'None recorded yet.' : older > 0 ? `${older} older: pgha-proxy failovers` : ''
  setText(byId('journal-note'), note)
}

/**
 * @param {FailoverRecord} record
 * @param {number} now
 */
function entry(record, now) {
  const { kind, state, from, to, reason, startedAt, sessions } = record
  const steps = measure(record)
  const totalMs = steps.reduce((sum, { ms }) => sum + ms, 0)
  const timelines = [from?.timelineId, to?.timelineId].filter((id) => id !== undefined)
  const isOpen = state === 'in-progress'
  // Nothing was lost, so nothing took long.
  const isFirst = kind === 'first-acceptance'
  return html(
    'li',
    { 'data-state': state, 'data-kind': kind },
    html('time', { datetime: startedAt }, timeOfDay(Date.parse(startedAt), now)),
    html(
      'div',
      {},
      html(
        'h3',
        {},
        icon(KINDS[kind].icon),
        html('span', {}, KINDS[kind].word),
        html('strong', {}, `${from?.node ?? 'nobody'} → ${to?.node ?? (isOpen ? '…' : 'nobody')}`),
        html('span', { class: 'faint' }, `timeline ${[...new Set(timelines)].join(' → ')}`),
        html(
          'span',
          { class: 'total' },
          isOpen ? 'in progress' : state === 'interrupted' ? 'interrupted' : isFirst ? '' : duration(totalMs),
        ),
      ),
      ...(isFirst ? [] : [bar(steps, totalMs, isOpen), legend(steps)]),
      html('p', {}, reason),
      isFirst ? null : html('p', { class: 'faint' }, describeSessions(sessions)),
    ),
  )
}

/** @param {FailoverRecord['sessions']} sessions */
function describeSessions({ before, ended, lost, held, released, expired, left }) {
  const parts = [
    `${count(before, 'session')} before`,
    ended > 0 ? `${ended} ended` : null,
    lost > 0 ? `${lost} lost with the server` : null,
    held > 0 ? `${held} held` : 'none held',
    released > 0 ? `${released} released` : null,
    expired > 0 ? `${expired} expired` : null,
    left > 0 ? `${left} left` : null,
  ]
  return parts.filter((part) => part !== null).join(' · ')
}

/**
 * How long each step took that is known, after the last good probe.
 * @param {FailoverRecord} record
 */
function measure({ times, startedAt }) {
  /** @type {{ at: string, afterMs: number | null }} */
  let before = times.lastGoodProbe ?? { at: startedAt, afterMs: null }
  return STEPS.flatMap(({ until, word }) => {
    const moment = times[until]
    if (moment === null) return []
    const ms = between(before, moment)
    before = moment
    return [{ until, word, ms }]
  })
}

/**
 * @param {FailoverMoment} from
 * @param {FailoverMoment} to
 */
function between(from, to) {
  const isExact = from.afterMs !== null && to.afterMs !== null
  return Math.max(0, isExact ? (to.afterMs ?? 0) - (from.afterMs ?? 0) : Date.parse(to.at) - Date.parse(from.at))
}

/**
 * The steps as lengths; each is there even when it took next to nothing.
 * @param {ReturnType<typeof measure>} steps
 * @param {number} totalMs
 * @param {boolean} isOpen it goes on: what is over is the smaller part
 */
function bar(steps, totalMs, isOpen) {
  const segments = steps.map(({ until, ms }) => {
    const segment = html('span', { 'data-step': until })
    segment.style.flexGrow = String(totalMs === 0 ? 1 : ms / totalMs)
    return segment
  })
  if (isOpen) segments.push(html('span', { class: 'rest' }))
  return html('div', { class: 'bar', 'aria-hidden': 'true' }, ...segments)
}

/** @param {ReturnType<typeof measure>} steps */
function legend(steps) {
  const entries = steps.map(({ until, word, ms }) =>
    html('div', { 'data-step': until }, html('dt', {}, word), html('dd', {}, duration(ms))),
  )
  return html('dl', { class: 'steps' }, ...entries)
}
