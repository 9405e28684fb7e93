/**
 * The live page: takes the events of the proxy and hands each to the part that shows it. It only shows: it can order
 * nothing. Whatever a node or a client has said is text here, never HTML.
 */
import { showCluster, watchCluster } from './cluster.js'
import { listen } from './connection.js'
import { byId, setText } from './elements.js'
import { showHeadline, showSince } from './headline.js'
import { showJournal } from './journal.js'
import { Plots } from './plots.js'
import { age } from './words.js'

/** @import { FailoverList } from '../observability/failover-list.ts' */
/** @import { History, SecondSample } from '../observability/session-history.ts' */
/** @import { Status } from '../observability/status.ts' */

/** @typedef {Status & { readonly at: string }} DatedStatus */

/** @type {DatedStatus | null} */
let status = null
/** The proxy's wall clock less our monotonic one. */
let offsetMs = Date.now() - performance.now()
const now = () => offsetMs + performance.now()
const plots = new Plots(now)

/** @param {DatedStatus} told */
function takeStatus(told) {
  // Another version of the proxy has another page.
  if (status !== null && status.version !== told.version) return location.reload()
  status = told
  offsetMs = Date.parse(told.at) - performance.now()
  showHeadline(told, now())
  showCluster(told)
  plots.takeState(told, now())
  setText(byId('version'), told.version)
  setText(
    byId('listeners'),
    told.listeners.length === 0 ? 'No listener is open.' : `Listens on ${told.listeners.join(', ')}.`,
  )
  showUptime(told)
}

/** @param {DatedStatus} told */
function showUptime({ uptimeSeconds, at, draining }) {
  const upMs = uptimeSeconds * 1_000 + now() - Date.parse(at)
  const link = byId('link')
  setText(link, `${draining ? 'draining' : 'live'} · up ${age(upMs)}`)
  link.dataset['tone'] = draining ? 'wait' : 'good'
}

/** @param {number | null} silentMs */
function showLink(silentMs) {
  const away = byId('away')
  const isAway = silentMs !== null
  document.body.classList.toggle('old', isAway)
  away.hidden = !isAway
  if (!isAway) return
  const link = byId('link')
  link.dataset['tone'] = 'wait'
  setText(link, 'away')
  const what = status === null ? 'The proxy has not answered' : 'No word from the proxy'
  setText(away, `${what} for ${age(silentMs)}. ${status === null ? '' : 'What is shown is old. '}Trying again.`)
}

watchCluster()
plots.watch()
listen({
  events: {
    status: (data) => takeStatus(/** @type {DatedStatus} */ (data)),
    history: (data) => plots.takeHistory(/** @type {History} */ (data)),
    second: (data) => plots.takeSecond(/** @type {SecondSample} */ (data)),
    failovers: (data) => showJournal(/** @type {FailoverList} */ (data), now()),
  },
  onLink: showLink,
})
setInterval(() => {
  if (status === null || !byId('away').hidden) return
  showSince(status, now())
  showUptime(status)
}, 1_000)
