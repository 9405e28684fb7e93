/**
 * Judges whether a soak has leaked. Pure. The soak is a number of cycles of the same phases; after each phase everything is
 * closed and the proxy is looked at in its rest. What can be counted must not be more than it has ever been at rest. Memory
 * is compared with what it was after the same phase of the cycles before: what the first sessions of a process leave for
 * ever (code, caches) is no leak, what each further one leaves is.
 */

/** The proxy when nobody is connected, and its garbage is collected. */
export interface RestPoint {
  /** From 1 on; 0 before anybody has come. */
  readonly cycle: number
  readonly phase: string
  /** Seconds since the soak began. */
  readonly atSeconds: number
  /** Sessions that have ended since the proxy was started. */
  readonly sessionsEnded: number
  /** The same by the proxy's reason, of which only those that there are. */
  readonly endedBy: Readonly<Record<string, number>>
  readonly sessionsActive: number
  readonly sessionsHeld: number
  /** Open files by kind. */
  readonly files: Readonly<Record<string, number>>
  readonly threads: number
  /** Objects in the heap. */
  readonly timers: number
  readonly sockets: number
  /** What keeps the process running, by kind. */
  readonly resources: Readonly<Record<string, number>>
  /** The heap after collections, and what its objects hold beside it; without compiled code, and without buffers. */
  readonly liveBytes: number
  /** What buffers hold, also such as are kept for the next session. */
  readonly bufferBytes: number
  readonly rssBytes: number
}

export interface LeakLimits {
  /** Growth of the live heap, and of buffers, for each session that ended. */
  readonly bytesPerSession: number
  /** Growth that says nothing, however few the sessions: histories by time, and the noise of the heap. */
  readonly heapNoiseBytes: number
  /** The same of buffers: the pools for all sessions keep as many as were needed at a time, 5 MiB a process at most. */
  readonly bufferNoiseBytes: number
  /** Growth of resident memory: of the allocator, which gives little back. */
  readonly rssShare: number
  readonly rssNoiseBytes: number
}

export const LEAK_LIMITS: LeakLimits = {
  bytesPerSession: 20,
  heapNoiseBytes: 512 * 1024,
  bufferNoiseBytes: 6 * 1024 * 1024,
  rssShare: 0.3,
  rssNoiseBytes: 48 * 1024 * 1024,
}

/** One broken rule, in words. */
export interface Finding {
  readonly phase: string
  readonly what: string
}

/** The first cycle warms up. */
const WARM_CYCLE = 1
/** Cycles that a verdict needs: one to warm up, two to compare. */
export const CYCLES_MIN = 3

/** All that the rest points, in their order, tell. Throws when there are too few to tell anything. */
export function findLeaks(points: readonly RestPoint[], limits: LeakLimits = LEAK_LIMITS): readonly Finding[] {
  const phases = [...new Set(points.filter(({ cycle }) => cycle > 0).map(({ phase }) => phase))]
  if (phases.length === 0) throw new Error('nothing was measured')
  const ofPhases = phases.flatMap((phase) => {
    const cycles = points.filter((point) => point.phase === phase).toSorted((a, b) => a.cycle - b.cycle)
    if (cycles.length < CYCLES_MIN) throw new Error(`${phase}: ${cycles.length} cycles are too few to compare`)
    const texts = [
      ...cycles.flatMap(leftOpen),
      ...cycles
        .filter(({ cycle }) => cycle > WARM_CYCLE)
        .flatMap((now) => grown(ceilingOf(earlierThan(now, points)), now)),
      ...rssGrowth(cycles, limits),
    ]
    return texts.map((what) => ({ phase, what }))
  })
  const ofAll = [
    ...memoryGrowth('live heap', floorsOf(points), limits, liveBytesOf, limits.heapNoiseBytes),
    ...memoryGrowth('buffers', floorsOf(points, bufferBytesOf), limits, bufferBytesOf, limits.bufferNoiseBytes),
  ]
  return [...ofPhases, ...ofAll.map((what) => ({ phase: 'all phases', what }))]
}

type ReadBytes = (point: RestPoint) => number
const liveBytesOf: ReadBytes = ({ liveBytes }) => liveBytes
const bufferBytesOf: ReadBytes = ({ bufferBytes }) => bufferBytes

/** What can be counted exactly, by its name in a finding. */
export type Counts = ReadonlyMap<string, number>

/** The most that there was of each. A monitoring session that is just being renewed makes it one more, or one less. */
export function ceilingOf(points: readonly RestPoint[]): Counts {
  const most = new Map<string, number>()
  for (const point of points) {
    for (const [name, count] of countsOf(point)) most.set(name, Math.max(most.get(name) ?? 0, count))
  }
  return most
}

/** Whether nothing that can be counted is above the ceiling. */
export function isBelow(ceiling: Counts, point: RestPoint): boolean {
  return grown(ceiling, point).length === 0
}

/**
 * Of each cycle the rest with the least live heap (or what else `read` gives), in the order of the cycles. What leaks is in
 * every later rest, whichever phase it came from; what a single rest has more than the others was only not collected yet.
 */
export function floorsOf(points: readonly RestPoint[], read: ReadBytes = liveBytesOf): readonly RestPoint[] {
  const floors = new Map<number, RestPoint>()
  for (const point of points) {
    const floor = floors.get(point.cycle)
    if (point.cycle > 0 && (floor === undefined || read(point) < read(floor))) floors.set(point.cycle, point)
  }
  return [...floors.values()].toSorted((a, b) => a.cycle - b.cycle)
}

/** Bytes of the live heap, or else, for each session that ended, by least squares over the cycles that are warm. */
export function bytesPerSession(cycles: readonly RestPoint[], read: ReadBytes = liveBytesOf): number {
  const warm = cycles.filter(({ cycle }) => cycle > WARM_CYCLE)
  const meanX = mean(warm.map(({ sessionsEnded }) => sessionsEnded))
  const meanY = mean(warm.map(read))
  let covariance = 0
  let variance = 0
  for (const point of warm) {
    covariance += (point.sessionsEnded - meanX) * (read(point) - meanY)
    variance += (point.sessionsEnded - meanX) ** 2
  }
  return variance === 0 ? 0 : covariance / variance
}

function leftOpen({ cycle, sessionsActive, sessionsHeld }: RestPoint): string[] {
  const found: string[] = []
  if (sessionsActive > 0) found.push(`cycle ${cycle}: ${sessionsActive} sessions are left`)
  if (sessionsHeld > 0) found.push(`cycle ${cycle}: ${sessionsHeld} sessions are still held`)
  return found
}

/** What must not become more. Fewer is no leak. */
function grown(ceiling: Counts, now: RestPoint): string[] {
  return [...countsOf(now)].flatMap(([name, count]) => {
    if (Number.isNaN(count)) return [`${name}: could not be counted after cycle ${now.cycle}`]
    const was = ceiling.get(name) ?? 0
    return count > was ? [`${name}: never more than ${was} at rest, ${count} after cycle ${now.cycle}`] : []
  })
}

function countsOf(point: RestPoint): Counts {
  return new Map([
    ...Object.entries(point.files).map(([kind, count]) => [`open files of kind ${kind}`, count] as const),
    ...Object.entries(point.resources).map(([kind, count]) => [`active resources of kind ${kind}`, count] as const),
    ['threads', point.threads],
    ['timers in the heap', point.timers],
    ['sockets in the heap', point.sockets],
  ])
}

function earlierThan(now: RestPoint, points: readonly RestPoint[]): readonly RestPoint[] {
  return points.slice(0, points.indexOf(now))
}

function memoryGrowth(
  name: string,
  cycles: readonly RestPoint[],
  limits: LeakLimits,
  read: ReadBytes,
  noiseBytes: number,
): string[] {
  const warm = cycles.filter(({ cycle }) => cycle > WARM_CYCLE)
  const [first, last] = [warm[0], warm.at(-1)]
  if (first === undefined || last === undefined) return []
  const sessions = last.sessionsEnded - first.sessionsEnded
  const perSession = bytesPerSession(cycles, read)
  if (perSession * sessions <= limits.bytesPerSession * sessions + noiseBytes) return []
  return [
    `${name}: ${perSession.toFixed(1)} bytes for each of ${sessions} sessions, ` +
      `${kibibytes(read(first))} after cycle ${first.cycle}, ${kibibytes(read(last))} after cycle ${last.cycle}`,
  ]
}

function rssGrowth(cycles: readonly RestPoint[], limits: LeakLimits): string[] {
  const first = cycles.find(({ cycle }) => cycle > WARM_CYCLE)
  const last = cycles.at(-1)
  if (first === undefined || last === undefined) return []
  const allowed = first.rssBytes * (1 + limits.rssShare) + limits.rssNoiseBytes
  if (last.rssBytes <= allowed) return []
  return [
    `resident memory: ${kibibytes(first.rssBytes)} after cycle ${first.cycle}, ` +
      `${kibibytes(last.rssBytes)} after cycle ${last.cycle}`,
  ]
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function kibibytes(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`
}
