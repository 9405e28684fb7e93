import { describe, expect, it } from 'vitest'
import { bytesPerSession, findLeaks, LEAK_LIMITS, type RestPoint } from './leak-rules.ts'

const SESSIONS = 100_000
const MIB = 1024 * 1024

/** Cycle `cycle` of a proxy that leaves nothing. The noise of its heap is what was seen of one, 60 KiB to both sides. */
function rest(cycle: number, changes: Partial<RestPoint> = {}): RestPoint {
  const noise = [30, -20, 60, -60, 10][cycle % 5] ?? 0
  return {
    cycle,
    phase: 'passing',
    atSeconds: cycle * 60,
    sessionsEnded: cycle * SESSIONS,
    endedBy: { finished: cycle * SESSIONS },
    sessionsActive: 0,
    sessionsHeld: 0,
    files: { socket: 6, pipe: 4, anon_inode: 5, file: 3 },
    threads: 11,
    timers: 9,
    sockets: 3,
    resources: { TCPServerWrap: 3, TCPSocketWrap: 2, Timeout: 4 },
    // The first cycle loads code and fills caches: nobody is to take that for a leak.
    liveBytes: (cycle === 1 ? 9 : 12) * MIB + noise * 1024,
    bufferBytes: MIB,
    rssBytes: (cycle === 1 ? 90 : 120) * MIB,
    ...changes,
  }
}

const series = (change: (cycle: number) => Partial<RestPoint>): RestPoint[] =>
  [1, 2, 3, 4, 5].map((cycle) => rest(cycle, change(cycle)))

const found = (change: (cycle: number) => Partial<RestPoint>): string[] =>
  findLeaks(series(change)).map(({ what }) => what)

describe('the rules against leaks', () => {
  it('find nothing where every cycle ends as the one before', () => {
    expect(found(() => ({}))).toEqual([])
  })

  it('find nothing where less is left than before', () => {
    expect(
      found((cycle) => ({ timers: 20 - cycle, files: { socket: 10 - cycle }, liveBytes: (20 - cycle) * MIB })),
    ).toEqual([])
  })

  it('find a heap that keeps 30 bytes of each session', () => {
    const [only, ...more] = found((cycle) => ({ liveBytes: 10 * MIB + 30 * cycle * SESSIONS }))
    expect(only).toMatch(/^live heap: 30\.0 bytes for each of 300000 sessions, /)
    expect(more).toEqual([])
  })

  it('let 15 bytes of each session pass, which the histories of a longer run may take', () => {
    expect(found((cycle) => ({ liveBytes: 10 * MIB + 15 * cycle * SESSIONS }))).toEqual([])
  })

  it('take nothing for a leak that a few sessions cannot tell from noise', () => {
    const few = series((cycle) => ({ sessionsEnded: cycle * 500, liveBytes: 10 * MIB + 50 * cycle * 1024 }))
    expect(findLeaks(few)).toEqual([])
  })

  it('find a heap that keeps 1 KiB of each session where there are a few hundred only', () => {
    const few = series((cycle) => ({ sessionsEnded: cycle * 500, liveBytes: 10 * MIB + 500 * cycle * 1024 }))
    expect(findLeaks(few).map(({ what }) => what)).toEqual([expect.stringMatching(/^live heap: 1024\.0 bytes/)])
  })

  it('take nothing for a leak that one rest has more than the next ones', () => {
    // Seen in CI, KiB after each phase: it failed two phases of three.
    const seen = [
      [32739, 32287, 32936],
      [32624, 31857, 32468],
      [33596, 32169, 33427],
    ]
    const points = seen.flatMap((cycle, index) =>
      cycle.map((kib, phase) =>
        rest(index + 1, {
          phase: ['standing', 'passing', 'failover'][phase] ?? '',
          sessionsEnded: [1_253, 2_247, 9_612, 10_861, 11_852, 16_615, 17_865, 18_863, 25_033][3 * index + phase] ?? 0,
          liveBytes: kib * 1024,
        }),
      ),
    )
    expect(findLeaks(points)).toEqual([])
  })

  it('take nothing for a leak that is kept for the next sessions, or was compiled', () => {
    // Seen of a run of 3,900 sessions a cycle, KiB after each phase: buffers of the pools, objects. What V8 had compiled
    // came and went with another 1,000 KiB. The sum of the three failed a run in CI.
    const buffers = [
      [1744, 655, 2191],
      [2255, 655, 2257],
      [2768, 2767, 1231],
    ]
    const objects = [
      [26_346, 26_409, 26_164],
      [26_096, 26_176, 26_219],
      [26_306, 26_277, 26_361],
    ]
    const points = objects.flatMap((cycle, index) =>
      cycle.map((kib, phase) =>
        rest(index + 1, {
          phase: ['standing', 'passing', 'failover'][phase] ?? '',
          sessionsEnded: [1_255, 2_245, 5_552, 6_804, 7_794, 11_223, 12_475, 13_465, 16_475][3 * index + phase] ?? 0,
          liveBytes: kib * 1024,
          bufferBytes: (buffers[index]?.[phase] ?? 0) * 1024,
        }),
      ),
    )
    expect(findLeaks(points)).toEqual([])
  })

  it('find one buffer that is lost for every hundred sessions', () => {
    const lost = series((cycle) => ({ sessionsEnded: cycle * 3_000, bufferBytes: MIB + 30 * cycle * 128 * 1024 }))
    expect(findLeaks(lost).map(({ what }) => what)).toEqual([expect.stringMatching(/^buffers: 1310\.7 bytes/)])
  })

  it('find what only one of the phases leaves behind', () => {
    const points = [1, 2, 3, 4].flatMap((cycle) => [
      rest(cycle, { phase: 'standing', liveBytes: (10 + 2 * (cycle - 1)) * MIB }),
      rest(cycle, { phase: 'failover', sessionsEnded: cycle * SESSIONS + 100, liveBytes: (10 + 2 * cycle) * MIB }),
    ])
    expect(findLeaks(points, { ...LEAK_LIMITS, bytesPerSession: 10 })).toEqual([
      { phase: 'all phases', what: expect.stringMatching(/^live heap: 21\.0 bytes for each of 200000 sessions/) },
    ])
  })

  it('find one descriptor more, however small the difference', () => {
    expect(found((cycle) => (cycle < 5 ? {} : { files: { socket: 7, pipe: 4, anon_inode: 5, file: 3 } }))).toEqual([
      'open files of kind socket: never more than 6 at rest, 7 after cycle 5',
    ])
  })

  it('find descriptors of a kind that was not there before', () => {
    expect(found((cycle) => (cycle < 3 ? {} : { files: { socket: 6, memfd: 1 } }))).toEqual([
      'open files of kind memfd: never more than 0 at rest, 1 after cycle 3',
    ])
  })

  it.each<[string, (cycle: number) => Partial<RestPoint>, string]>([
    [
      'a timer',
      (cycle) => ({ timers: 9 + Math.floor(cycle / 3) }),
      'timers in the heap: never more than 9 at rest, 10 after cycle 3',
    ],
    [
      'a socket',
      (cycle) => ({ sockets: cycle === 5 ? 4 : 3 }),
      'sockets in the heap: never more than 3 at rest, 4 after cycle 5',
    ],
    [
      'a thread',
      (cycle) => ({ threads: cycle > 1 ? 12 : 11 }),
      'threads: never more than 11 at rest, 12 after cycle 2',
    ],
    [
      'what keeps the process running',
      (cycle) => ({ resources: { Timeout: cycle === 2 ? 5 : 4 } }),
      'active resources of kind Timeout: never more than 4 at rest, 5 after cycle 2',
    ],
  ])('find %s too many', (_, change, what) => {
    expect(found(change)).toEqual([what])
  })

  it('find sessions that are left, and such as are still held', () => {
    expect(found((cycle) => (cycle === 2 ? { sessionsActive: 3, sessionsHeld: 1 } : {}))).toEqual([
      'cycle 2: 3 sessions are left',
      'cycle 2: 1 sessions are still held',
    ])
  })

  it('find resident memory that grows by more than an allocator keeps', () => {
    expect(found((cycle) => ({ rssBytes: cycle * 60 * MIB }))).toEqual([
      'resident memory: 122880 KiB after cycle 2, 307200 KiB after cycle 5',
    ])
  })

  it('compare each phase with itself', () => {
    const idle = series(() => ({ phase: 'standing', liveBytes: 40 * MIB, timers: 90 }))
    expect(findLeaks([...idle, ...series(() => ({}))])).toEqual([])
    const leaking = series((cycle) => ({ phase: 'standing', timers: 90 + cycle }))
    expect(new Set(findLeaks([...leaking, ...series(() => ({}))]).map(({ phase }) => phase))).toEqual(
      new Set(['standing']),
    )
  })

  it('give no verdict on too few cycles, nor on nothing', () => {
    expect(() => findLeaks([rest(1), rest(2)])).toThrow('2 cycles are too few')
    expect(() => findLeaks([])).toThrow('nothing was measured')
  })
})

describe('bytes per session', () => {
  it('leave out the first cycle, which warms up', () => {
    expect(bytesPerSession(series((cycle) => ({ liveBytes: cycle === 1 ? 0 : 10 * MIB })))).toBe(0)
    expect(bytesPerSession(series((cycle) => ({ liveBytes: cycle === 1 ? 0 : 7 * cycle * SESSIONS })))).toBeCloseTo(7)
  })
})
