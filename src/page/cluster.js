/**
 * The picture of the nodes: a card for each, and an arrow along each stream of changes. Part of the live page. Where they
 * stand is cluster-layout.js's; on a narrow screen the same cards stand below each other, indented.
 */
import { arrange } from './cluster-layout.js'
import { byId, html, icon, svg } from './elements.js'
import { age, bytes, count, ROLES } from './words.js'

/** @import { PlacedNode } from './cluster-layout.js' */
/** @import { NodeStatus, Status } from '../observability/status.ts' */

/** An answer older than this is said to be old. */
const OLD_MS = 3_000
/** A node with more rows of followers stands at their top. */
const TALL_ROWS = 5

let shown = ''
/** @type {readonly PlacedNode[]} */
let placed = []
const arrows = svg('svg', { class: 'arrows', 'aria-hidden': 'true' })

/** @param {Status} status */
export function showCluster(status) {
  const cluster = byId('cluster')
  const arranged = arrange(status)
  const key = JSON.stringify([
    arranged.map((each) => ({ ...each, node: describe(each.node, each.upstream) })),
    status.primary,
  ])
  if (key === shown) return
  shown = key
  placed = arranged
  const columns = Math.max(...placed.map(({ column }) => column), 0) + 1
  cluster.dataset['columns'] = String(columns)
  cluster.replaceChildren(arrows, ...placed.map(card))
  drawArrows()
}

/** The arrows follow the cards when the window changes. */
export function watchCluster() {
  new ResizeObserver(drawArrows).observe(byId('cluster'))
}

/**
 * What a card says.
 * @param {NodeStatus} node
 * @param {string | null} upstream
 */
function describe(
  { name, address, role, timelineId, replayLagBytes, lastSeenMs, sessions, problem, ...node },
  upstream,
) {
  const isOld = lastSeenMs === null || lastSeenMs > OLD_MS
  const facts = [
    timelineId === null ? null : `timeline ${timelineId}`,
    replayLagBytes === null || isOld || (role === 'standby' && node.upstream === null)
      ? null
      : replayLagBytes === 0
        ? 'no lag'
        : `lag ${bytes(replayLagBytes)}`,
    lastSeenMs === null ? 'never answered' : isOld ? `last answer ${age(lastSeenMs)} ago` : null,
    node.upstream !== null && upstream === null && role === 'standby' ? `follows ${node.upstream}` : null,
  ].filter((fact) => fact !== null)
  return { name, address, role, facts, sessions: count(sessions, 'session'), problem }
}

/** @param {PlacedNode} placed */
function card({ node, upstream, column, row, rowCount }) {
  const { name, address, role, facts, sessions, problem } = describe(node, upstream)
  const look = ROLES[role]
  const element = html(
    'article',
    { class: 'node', 'data-role': role, 'data-tone': look.tone, 'data-node': name },
    html('h3', {}, icon(look.icon), html('span', { class: 'name' }, name), html('span', { class: 'role' }, look.word)),
    html('p', {}, html('span', { class: 'address' }, address), html('span', {}, sessions)),
    html('p', {}, html('span', {}, facts.join(' · ') || 'timeline not known')),
    problem === null ? null : html('p', { class: 'problem' }, problem),
  )
  if (upstream !== null) element.setAttribute('aria-label', `${name}, ${look.word}, follows ${upstream}`)
  element.style.setProperty('--column', String(column + 1))
  element.style.setProperty('--row', String(row + 1))
  element.style.setProperty('--rows', String(rowCount))
  // In the middle of many it would be out of sight.
  element.classList.toggle('tall', rowCount > TALL_ROWS)
  return element
}

function drawArrows() {
  const cluster = byId('cluster')
  const origin = cluster.getBoundingClientRect()
  const cards = new Map([...cluster.querySelectorAll('.node')].map((each) => [each.getAttribute('data-node'), each]))
  arrows.setAttribute('width', String(origin.width))
  arrows.setAttribute('height', String(origin.height))
  arrows.replaceChildren(
    ...placed.flatMap(({ node, upstream }) => {
      const [from, to] = [cards.get(upstream), cards.get(node.name)]
      if (upstream === null || from === undefined || to === undefined) return []
      const a = from.getBoundingClientRect()
      const b = to.getBoundingClientRect()
      const isBeside = b.left >= a.right
      const path = isBeside
        ? besidePath(a.right - origin.left, middle(a) - origin.top, b.left - origin.left, middle(b) - origin.top)
        : belowPath(a.left + 12 - origin.left, a.bottom - origin.top, b.left - origin.left, middle(b) - origin.top)
      const tip = `M${b.left - origin.left - 7} ${middle(b) - origin.top - 4.5}l7 4.5l-7 4.5z`
      const isOld = node.lastSeenMs === null || node.lastSeenMs > OLD_MS || node.role !== 'standby'
      return [
        svg(
          'g',
          { class: isOld ? 'arrow old' : 'arrow' },
          svg('path', { d: path }),
          svg('path', { class: 'tip', d: tip }),
        ),
      ]
    }),
  )
}

/** @param {DOMRect} box */
function middle({ top, height }) {
  return top + height / 2
}

/**
 * To the right, up or down a trunk in the middle of the gap, to the right.
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 */
function besidePath(x1, y1, x2, y2) {
  const trunk = Math.round(x2 - 28)
  if (Math.abs(y2 - y1) < 1) return `M${x1} ${y1}H${x2 - 5}`
  const bend = Math.min(8, Math.abs(y2 - y1) / 2)
  const down = y2 > y1 ? bend : -bend
  return `M${x1} ${y1}H${trunk - bend}q${bend} 0 ${bend} ${down}V${y2 - down}q0 ${down} ${bend} ${down}H${x2 - 5}`
}

/**
 * Down, then to the right.
 * @param {number} x1
 * @param {number} y1
 * @param {number} x2
 * @param {number} y2
 */
function belowPath(x1, y1, x2, y2) {
  return `M${x1} ${y1}V${y2 - 6}q0 6 6 6H${x2 - 5}`
}
