/** The head of the live page: state and reason, since when, warnings, what would change it, and the four figures. */
import { byId, html, icon, setText } from './elements.js'
import { age, figure, STATES, timeOfDay } from './words.js'

/** @import { Status } from '../observability/status.ts' */

/**
 * @param {Status} status
 * @param {number} now milliseconds since 1970, on the proxy's clock
 */
export function showHeadline(status, now) {
  const look = STATES[status.state]
  const state = byId('state')
  const text = `${look.word} ${status.reason}`
  // Told aloud when it changes: so it is touched only then.
  if (state.textContent !== text) {
    state.dataset['tone'] = look.tone
    const word = html('span', { class: 'word' }, icon(look.icon), look.word)
    state.replaceChildren(word, ' ', html('span', { class: 'reason' }, status.reason))
    document.title = `${status.primary ?? look.word} · pgha-proxy`
    showFavicon(look.tone)
  }
  showSince(status, now)
  showList('warnings', status.warnings, (warning) => [icon('alarm'), html('span', {}, ...withCommands(warning))])
  showList('outlook', status.outlook, withCommands)
  byId('outlook-part').hidden = status.outlook.length === 0
  setText(byId('figure-primary'), status.primary ?? 'none')
  setText(byId('figure-timeline'), status.timelineId === null ? '–' : String(status.timelineId))
  setText(byId('figure-sessions'), figure(status.sessions.active))
  const held = byId('figure-held')
  setText(held, figure(status.sessions.held))
  held.dataset['tone'] = status.sessions.held > 0 ? 'wait' : 'plain'
}

/**
 * Only what grows older.
 * @param {Status} status
 * @param {number} now
 */
export function showSince(status, now) {
  const since = Date.parse(status.since)
  const parts = [`for ${age(now - since)}`, `since ${timeOfDay(since, now)}`]
  if (status.primary === null) parts.push('new sessions wait')
  if (status.draining) parts.push('draining: no new sessions are taken')
  setText(byId('since'), parts.join(' · '))
}

/**
 * @param {string} id
 * @param {readonly string[]} texts
 * @param {(text: string) => (Node | string)[]} render
 */
function showList(id, texts, render) {
  const list = byId(id)
  const key = texts.join('\n')
  if (list.dataset['shown'] === key) return
  list.dataset['shown'] = key
  list.replaceChildren(...texts.map((text) => html('li', {}, ...render(text))))
}

/**
 * Commands stand between backquotes in the proxy's sentences.
 * @param {string} sentence
 */
function withCommands(sentence) {
  return sentence.split('`').map((part, index) => (index % 2 === 1 ? html('code', {}, part) : part))
}

const FAVICON_COLOURS = { good: '1a8a50', wait: 'c27803', bad: 'c9372c', plain: '808080', faint: '808080' }

/** @param {keyof typeof FAVICON_COLOURS} tone */
function showFavicon(tone) {
  const shape = tone === 'good' ? '<circle cx="8" cy="8" r="6"/>' : '<rect x="2" y="2" width="12" height="12" rx="2"/>'
  const image = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="#${FAVICON_COLOURS[tone]}">${shape}</svg>`
  document.querySelector('link[rel=icon]')?.setAttribute('href', `data:image/svg+xml,${encodeURIComponent(image)}`)
}
