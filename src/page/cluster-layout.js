/**
 * Where each node stands in the picture: the primary first, who follows it beside it, and so on down the chain; in rows,
 * so that no two branches cross. Part of the live page; pure, and knows no pixels.
 */

/** @import { NodeStatus, Status } from '../observability/status.ts' */

/**
 * @typedef {object} PlacedNode
 * @property {NodeStatus} node
 * @property {string | null} upstream the node that it streams from, where that is one of these
 * @property {number} column from 0: how far from the primary
 * @property {number} row the first of its rows, from 0
 * @property {number} rowCount as many as its branch has ends
 */

/** Longer chains go on in the last column, one below the other. */
const COLUMN_MAX = 3

/** More than these that follow nobody stand below, side by side. */
const BESIDE_MAX = 3

/** Whoever follows nobody comes after those that follow, and witnesses come last. */
const LAST = ['unreachable', 'witness']

/**
 * Every node once, in the order of reading. Those that follow none of these stand beside the followers of the primary, or
 * below when they are many, without an arrow. While there never was a primary they all stand side by side.
 * @param {Pick<Status, 'nodes' | 'primary' | 'incumbent'>} status
 * @returns {PlacedNode[]}
 */
export function arrange({ nodes, primary, incumbent }) {
  const root = nodes.find(({ name }) => name === (primary ?? incumbent)) ?? null
  const upstreams = findUpstreams(nodes, root)
  const sorted = [...nodes].sort((a, b) => LAST.indexOf(a.role) - LAST.indexOf(b.role))
  const heads = sorted.filter((node) => node !== root && upstreams.get(node.name) === undefined)
  /** @type {PlacedNode[]} */
  const placed = []
  const isBelow = root === null || heads.length > BESIDE_MAX
  let row = 0

  /** @type {(node: NodeStatus, column: number) => void} */
  const place = (node, column) => {
    const index = placed.length
    const first = row
    const upstream = upstreams.get(node.name) ?? null
    placed.push({ node, upstream, column, row, rowCount: 1 })
    const followers = sorted.filter(({ name }) => upstreams.get(name) === node.name)
    const beside = node === root && !isBelow ? [...followers, ...heads] : followers
    if (column === COLUMN_MAX || beside.length === 0) row += 1
    for (const each of beside) place(each, Math.min(column + 1, COLUMN_MAX))
    if (column < COLUMN_MAX) placed[index] = { node, upstream, column, row: first, rowCount: row - first }
  }

  if (root !== null) place(root, 0)
  if (!isBelow) return placed
  const columnCount = Math.max(2, ...placed.map(({ column }) => column + 1))
  const followed = new Set(upstreams.values())
  // A chain of its own has rows of its own.
  for (const head of heads) if (followed.has(head.name)) place(head, 0)
  const alone = heads.filter(({ name }) => !followed.has(name))
  for (const [index, node] of alone.entries()) {
    placed.push({
      node,
      upstream: null,
      column: index % columnCount,
      row: row + Math.floor(index / columnCount),
      rowCount: 1,
    })
  }
  return placed
}

/**
 * By name, for those that stream from one of these. The root is the root whatever it says, and so is one node of a ring.
 * @param {readonly NodeStatus[]} nodes
 * @param {NodeStatus | null} root
 */
function findUpstreams(nodes, root) {
  const byAddress = new Map(nodes.map(({ address, name }) => [address.toLowerCase(), name]))
  /** @type {Map<string, string>} */
  const upstreams = new Map()
  for (const node of nodes) {
    const upstream = node.upstream === null ? undefined : byAddress.get(node.upstream.toLowerCase())
    if (upstream === undefined || node === root) continue
    /** @type {string | undefined} */
    let above = upstream
    while (above !== undefined && above !== node.name) above = upstreams.get(above)
    if (above === undefined) upstreams.set(node.name, upstream)
  }
  return upstreams
}
