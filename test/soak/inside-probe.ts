/**
 * Loaded into the proxy under soak with `--import`: answers what only the process itself can tell, over a Unix socket in
 * the folder PGHA_SOAK_INSIDE, one for each process. It changes nothing of the proxy. Test support; inside.ts asks it.
 *
 * What is alive is counted in the heap, after collections: a timer that nobody waits for, or a socket that nobody sees,
 * is there as long as somebody holds it.
 */
import net from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { getHeapSpaceStatistics, queryObjects } from 'node:v8'
import type { InsideView } from './inside.ts'

const COLLECTIONS = 4
const ATTEMPTS = 10
/** Machine code, and what else the compilers make: `trusted` holds bytecode. */
const CODE_SPACES = /^(code|trusted)_/
const { gc } = globalThis
const folder = process.env['PGHA_SOAK_INSIDE']
const idleTimer = setTimeout(() => {}, 0)
clearTimeout(idleTimer)
const Timer = idleTimer.constructor

// Also the helpers that a proxy starts inherit the environment: they are not asked.
if (folder !== undefined && gc !== undefined) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    const reader = createInterface({ input: socket })
    reader.on('error', () => {})
    reader.on('line', async (line) => socket.write(`${JSON.stringify(await look(line === 'settle'))}\n`))
    socket.unref()
  })
  server.listen(join(folder, `${process.pid}.sock`))
  server.unref()
}

async function look(settles: boolean): Promise<InsideView> {
  // What the end of one thing lets go of may hold another one.
  for (let round = 0; settles && round < COLLECTIONS; round += 1) {
    gc?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  const code = getHeapSpaceStatistics().filter((space) => CODE_SPACES.test(space.space_name))
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  const view = {
    heapBytes: heapUsed,
    codeBytes: code.reduce((sum, space) => sum + space.space_used_size, 0),
    externalBytes: external,
    bufferBytes: arrayBuffers,
    resources,
  }
  if (!settles) return { ...view, alive: null }
  return { ...view, alive: { timers: countAlive(Timer), sockets: countAlive(net.Socket) } }
}

/** One of each is always there, the probe's own: an answer of 0, which V8 gives now and then, is none. */
function countAlive(kind: unknown): number {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const count = queryObjects(kind as new () => unknown, { format: 'count' })
    if (count > 0) return count
  }
  return Number.NaN
}
