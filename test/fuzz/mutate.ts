/**
 * One input into another: small damage, wire-like damage (length words, cuts, repeats), words of the target's dictionary,
 * and pieces of other inputs. Test support.
 */
import type { Random } from './random.ts'

/** What a mutation may draw on. */
export interface MutationSource {
  readonly random: Random
  readonly dictionary: readonly Buffer[]
  /** Inputs to splice from; at least one. */
  readonly corpus: readonly Buffer[]
  readonly inputBytesMax: number
}

type Mutation = (input: Buffer, source: MutationSource) => Buffer

const EDGE_BYTES = [0x00, 0x01, 0x04, 0x08, 0x16, 0x20, 0x22, 0x27, 0x30, 0x3a, 0x45, 0x5a, 0x5c, 0x7f, 0x80, 0xff]
const EDGE_LENGTHS = [0, 1, 3, 4, 5, 8, 16, 255, 256, 268, 269, 10_000, 10_004, 10_005, 65_535, 65_536, 0x7fffffff]

const MUTATIONS: readonly Mutation[] = [
  (input, { random }) => withByte(input, random, (byte) => byte ^ (1 << random.below(8))),
  (input, { random }) => withByte(input, random, () => random.pick(EDGE_BYTES)),
  (input, { random }) => withByte(input, random, () => random.below(256)),
  (input, { random }) => withByte(input, random, () => random.below(256)),
  (input, { random }) => withByte(input, random, () => 0x20 + random.below(0x5f)),
  (input, { random }) => withByte(input, random, (byte) => byte + random.pick([1, -1, 16, -16])),
  // Leaves something out.
  (input, { random }) => {
    const [start, end] = range(input, random)
    return Buffer.concat([input.subarray(0, start), input.subarray(end)])
  },
  (input, { random }) => input.subarray(0, random.below(input.length + 1)),
  // Says something again, once or many times: what is quadratic shows.
  (input, { random }) => {
    const [start, end] = range(input, random)
    const times = random.pick([1, 1, 2, 5, 100])
    const again = Array.from({ length: times }, () => input.subarray(start, end))
    return Buffer.concat([input.subarray(0, end), ...again, input.subarray(end)])
  },
  // A length word that is right for the rest, nearly right, or absurd.
  (input, { random }) => {
    if (input.length < 4) return input
    const bytes = Buffer.from(input)
    const at = random.below(bytes.length - 3)
    const edge = random.pick([...EDGE_LENGTHS, bytes.length - at, bytes.length - at - 1, bytes.length - at + 1])
    bytes.writeUInt32BE(random.below(8) === 0 ? -edge >>> 0 : edge, at)
    return bytes
  },
  insertWord,
  insertWord,
  (input, source) => {
    const word = source.random.pick(source.dictionary)
    const at = source.random.below(input.length + 1)
    return Buffer.concat([input.subarray(0, at), word, input.subarray(at + word.length)])
  },
  // The head of one and the tail of another.
  (input, { random, corpus }) => {
    const other = random.pick(corpus)
    return Buffer.concat([
      input.subarray(0, random.below(input.length + 1)),
      other.subarray(random.below(other.length + 1)),
    ])
  },
  (input, { random, corpus }) => {
    const other = random.pick(corpus)
    const [start, end] = range(other, random)
    const at = random.below(input.length + 1)
    return Buffer.concat([input.subarray(0, at), other.subarray(start, end), input.subarray(at)])
  },
]

/** A changed copy, at most `inputBytesMax` long; `input` stays as it is. */
export function mutate(input: Buffer, source: MutationSource): Buffer {
  const { random, inputBytesMax } = source
  let mutant: Buffer = input
  // Often a single step: what has come far breaks easily.
  for (let count = random.below(2) === 0 ? 1 : 1 << random.below(4); count > 0; count -= 1) {
    mutant = random.pick(MUTATIONS)(mutant, source).subarray(0, inputBytesMax)
  }
  return Buffer.from(mutant)
}

function insertWord(input: Buffer, { random, dictionary }: MutationSource): Buffer {
  const at = random.below(input.length + 1)
  return Buffer.concat([input.subarray(0, at), random.pick(dictionary), input.subarray(at)])
}

function withByte(input: Buffer, random: Random, change: (byte: number) => number): Buffer {
  if (input.length === 0) return Buffer.of(change(0) & 0xff)
  const bytes = Buffer.from(input)
  const at = random.below(bytes.length)
  bytes[at] = change(bytes[at] ?? 0) & 0xff
  return bytes
}

/** Mostly short, sometimes anything. */
function range(input: Buffer, random: Random): [start: number, end: number] {
  const start = random.below(input.length + 1)
  const longest = random.below(4) === 0 ? input.length : 8
  return [start, Math.min(input.length, start + 1 + random.below(longest + 1))]
}
