import { describe, expect, it } from 'vitest'
import {
  PHASES_MOVABLE,
  PHASES_WITH_BACKEND,
  SESSION_EVENTS,
  SESSION_PHASES,
  SESSION_TRANSITIONS,
  type SessionEffect,
  type SessionEvent,
  type SessionPhase,
  type Transition,
} from '../../src/session/session-state.ts'

interface Step extends Transition {
  readonly from: SessionPhase
  readonly event: SessionEvent
}

/** Every entry of the table that goes somewhere. */
const STEPS: readonly Step[] = SESSION_PHASES.flatMap((from) =>
  SESSION_EVENTS.flatMap((event) => {
    const outcome = SESSION_TRANSITIONS[from][event]
    return typeof outcome === 'string' ? [] : [{ from, event, ...outcome }]
  }),
)

const PATH_LENGTH_MAX = 9

/** All sequences of possible events from an accept on, up to PATH_LENGTH_MAX steps, ignored events left out. */
function* allPaths(phase: SessionPhase = 'greeting', before: readonly Step[] = []): Generator<readonly Step[]> {
  yield before
  if (before.length === PATH_LENGTH_MAX) return
  for (const step of STEPS) if (step.from === phase) yield* allPaths(step.to, [...before, step])
}

const PATHS = [...allPaths()]

const describeStep = ({ from, event, to }: Step): string => `${from} --${event}--> ${to}`
const countOf = (effects: readonly SessionEffect[], effect: SessionEffect): number =>
  effects.filter((each) => each === effect).length

describe('SESSION_TRANSITIONS', () => {
  it('has an outcome for every event in every phase', () => {
    for (const phase of SESSION_PHASES) {
      expect(Object.keys(SESSION_TRANSITIONS[phase]).sort(), phase).toEqual([...SESSION_EVENTS].sort())
    }
    expect(Object.keys(SESSION_TRANSITIONS).sort()).toEqual([...SESSION_PHASES].sort())
  })

  it('reaches every phase and uses every step', () => {
    const steps = new Set(PATHS.flat().map(describeStep))
    const phases = new Set(['greeting', ...PATHS.flat().map((step) => step.to)])

    expect(steps).toEqual(new Set(STEPS.map(describeStep)))
    expect(phases).toEqual(new Set(SESSION_PHASES))
  })

  it('lets a session end and be gone in every phase', () => {
    for (const phase of SESSION_PHASES) {
      expect(SESSION_TRANSITIONS[phase].end, phase).not.toBe('impossible')
      expect(SESSION_TRANSITIONS[phase].gone, phase).not.toBe('impossible')
    }
  })

  it('leads from every phase to closed within two steps, by end and gone alone', () => {
    for (const phase of SESSION_PHASES) {
      let current: SessionPhase = phase
      for (const event of ['end', 'gone'] as const) {
        const outcome = SESSION_TRANSITIONS[current][event]
        if (typeof outcome !== 'string') current = outcome.to
      }
      expect(current, phase).toBe('closed')
    }
  })

  it('goes nowhere from closed', () => {
    expect(STEPS.filter((step) => step.from === 'closed')).toEqual([])
  })

  it('drops the backend exactly once on every way out of the phases that have one', () => {
    for (const step of STEPS) {
      const leaves = PHASES_WITH_BACKEND.has(step.from) && !PHASES_WITH_BACKEND.has(step.to)
      expect(countOf(step.effects, 'drop-backend'), describeStep(step)).toBe(leaves ? 1 : 0)
    }
  })

  it('drops the backend before it says or seeks or releases anything', () => {
    for (const step of STEPS) {
      if (step.effects.includes('drop-backend')) expect(step.effects[0], describeStep(step)).toBe('drop-backend')
    }
  })

  it('gets a backend only by dialing, from held', () => {
    const entries = STEPS.filter((step) => !PHASES_WITH_BACKEND.has(step.from) && PHASES_WITH_BACKEND.has(step.to))

    expect(entries.map(describeStep)).toEqual(['held --routed--> dialing'])
    for (const step of STEPS) {
      expect(step.effects.includes('dial'), describeStep(step)).toBe(step.to === 'dialing')
    }
  })

  it('seeks a node whenever it begins to hold, and at no other time', () => {
    for (const step of STEPS) {
      expect(countOf(step.effects, 'seek-node'), describeStep(step)).toBe(step.to === 'held' ? 1 : 0)
    }
  })

  it('leaves the queue whenever it stops holding other than by being routed', () => {
    for (const step of STEPS) {
      const leaves = step.from === 'held' && step.event !== 'routed'
      expect(countOf(step.effects, 'leave-queue'), describeStep(step)).toBe(leaves ? 1 : 0)
    }
  })

  it('says farewell on the way to lingering, and never else', () => {
    for (const step of STEPS) {
      expect(countOf(step.effects, 'say-farewell'), describeStep(step)).toBe(step.to === 'lingering' ? 1 : 0)
    }
  })

  it('sends the request whenever it begins to wait for the answer, and at no other time', () => {
    for (const step of STEPS) {
      expect(countOf(step.effects, 'send-request'), describeStep(step)).toBe(step.to === 'waiting' ? 1 : 0)
    }
  })

  it('starts the relay once, when the server is ready', () => {
    for (const step of STEPS) {
      const starts = step.event === 'ready'
      expect(countOf(step.effects, 'start-relay'), describeStep(step)).toBe(starts ? 1 : 0)
      if (starts) expect(step.to).toBe('relaying')
    }
  })

  it('moves a session elsewhere from exactly the phases that are called movable', () => {
    const movable = STEPS.filter((step) => step.event === 'node-lost').map((step) => step.from)

    expect(new Set(movable)).toEqual(PHASES_MOVABLE)
  })

  it('releases a session exactly once on every path to closed, and on no other', () => {
    for (const path of PATHS) {
      const effects = path.flatMap((step) => step.effects)
      const isClosed = path.at(-1)?.to === 'closed'
      if (countOf(effects, 'release') !== (isClosed ? 1 : 0)) expect.unreachable(path.map(describeStep).join(', '))
    }
    expect(PATHS.some((path) => path.at(-1)?.to === 'closed')).toBe(true)
  })

  it('holds one backend at a time on every path', () => {
    for (const path of PATHS) {
      let open = 0
      for (const effect of path.flatMap((step) => step.effects)) {
        if (effect === 'dial') open += 1
        // Dropping before a dial has happened drops nothing.
        if (effect === 'drop-backend') open -= 1
        if (open < 0 || open > 1) expect.unreachable(path.map(describeStep).join(', '))
      }
    }
  })
})
