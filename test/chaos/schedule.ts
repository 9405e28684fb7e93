/**
 * (seed, number) -> an episode of faults. Test support. Pure. Kinds are dealt from shuffled decks, so that each comes up
 * before one comes up again and a short run has met most of them.
 */
import { Random } from '../fuzz/random.ts'
import { planSeed } from '../sim/generate.ts'
import { type Episode, FAULT_KINDS, type FaultKind, MAJOR_KINDS, type PlannedFault } from './fault.ts'

/** repmgrd needs some 3 s for a server that is gone, and some 12 s for one that is silent. */
const LONG_MS = { min: 14_000, max: 22_000 }
const SHORT_MS = { min: 1_500, max: 7_000 }
const START_MS_MAX = 4_000

const MINOR_KINDS = FAULT_KINDS.filter((kind) => !(MAJOR_KINDS as readonly FaultKind[]).includes(kind))

/** Episode `index` of a seed, and the same each time. */
export function planEpisode(seed: number, index: number): Episode {
  const random = new Random(planSeed(seed, index))
  const before = Array.from({ length: index }, (_, each) => shapeOf(seed, each))
  const { majors, minors } = shapeOf(seed, index)
  const kinds = [
    ...deal(seed, MAJOR_KINDS, sum(before.map((shape) => shape.majors)), majors),
    ...deal(seed + 1, MINOR_KINDS, sum(before.map((shape) => shape.minors)), minors),
  ]
  const faults = kinds.map((kind) => planFault(random, kind)).sort((a, b) => a.atMs - b.atMs)
  return { index, faults, repair: random.pick(['rejoin', 'clone']) }
}

/** How many faults of which sort. One in eight is without a fault of the primary: nothing may happen then at all. */
function shapeOf(seed: number, index: number): { readonly majors: number; readonly minors: number } {
  const random = new Random(planSeed(seed ^ 0x5eed, index))
  return { majors: random.below(8) > 0 ? 1 : 0, minors: random.pick([1, 2, 2]) }
}

/** `count` cards from number `first` on. */
function deal(seed: number, kinds: readonly FaultKind[], first: number, count: number): readonly FaultKind[] {
  return Array.from({ length: count }, (_, offset) => dealt(seed, kinds, first + offset))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

/** Card `index` of the endless row of shuffled decks of `kinds`. */
function dealt(seed: number, kinds: readonly FaultKind[], index: number): FaultKind {
  const random = new Random(planSeed(seed, -1 - Math.floor(index / kinds.length)))
  const deck = [...kinds]
  for (let last = deck.length - 1; last > 0; last -= 1) {
    const other = random.below(last + 1)
    ;[deck[last], deck[other]] = [deck[other] as FaultKind, deck[last] as FaultKind]
  }
  return deck[index % deck.length] as FaultKind
}

function planFault(random: Random, kind: FaultKind): PlannedFault {
  const { min, max } = random.below(3) > 0 ? LONG_MS : SHORT_MS
  return {
    kind,
    atMs: random.below(START_MS_MAX),
    durationMs: min + random.below(max - min),
    proxy: random.pick(['proxy1', 'proxy2']),
    standby: random.pick([0, 1]),
  }
}
