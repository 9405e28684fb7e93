/**
 * Bytes for the protocol tests, made by hand and independently of the code under test, a naive framer to compare with,
 * and ways to cut and to surround bytes.
 */
import * as fc from 'fast-check'

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** A typed message: Byte1, Int32, payload. */
export function message(type: string, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload)
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(body.length + 4), body])
}

/** A first packet: Int32 length, Int32 code, body. */
export function firstPacket(code: number, body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body)
  return Buffer.concat([int32(bytes.length + 8), int32(code), bytes])
}

export const PROTOCOL_3_0 = 196_608
export const PROTOCOL_3_2 = 196_610

/** Each `name\0value\0`, then the terminator. */
export function parameters(...pairs: readonly (readonly [string, string])[]): string {
  return `${pairs.map(([name, value]) => `${name}\0${value}\0`).join('')}\0`
}

export interface NaiveMessage {
  readonly type: string
  readonly payload: Buffer
}

/** The plainest reading of a whole stream there is: messages, and what is left. Lengths below 4 stop it. */
export function frameNaively(stream: Buffer): {
  readonly messages: readonly NaiveMessage[]
  readonly rest: Buffer
  readonly malformed: boolean
} {
  const messages: NaiveMessage[] = []
  let rest = stream
  while (rest.length >= 5) {
    const length = rest.readInt32BE(1)
    if (length < 4) return { messages, rest, malformed: true }
    if (rest.length < length + 1) break
    messages.push({ type: rest.toString('latin1', 0, 1), payload: rest.subarray(5, length + 1) })
    rest = rest.subarray(length + 1)
  }
  return { messages, rest, malformed: false }
}

/** `bytes` in pieces that end at the given offsets, which may come in any order and repeat (empty pieces). */
export function cutAt(bytes: Buffer, offsets: readonly number[]): Buffer[] {
  const ends = [...offsets.map((offset) => Math.min(offset, bytes.length)), bytes.length].sort((a, b) => a - b)
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end))
}

/** Every way to cut `bytes` in two, and all single bytes. */
export function everyCut(bytes: Buffer): Buffer[][] {
  const inTwo = Array.from({ length: bytes.length + 1 }, (_, offset) => cutAt(bytes, [offset]))
  const single = Array.from(bytes, (_, offset) => bytes.subarray(offset, offset + 1))
  return [...inTwo, single]
}

/** The same bytes as views into larger buffers, each filled with another byte: what is read beyond shows as a difference. */
export function surroundings(bytes: Buffer): Buffer[] {
  return [0x00, 0x01, 0x43, 0x49, 0xff].map((poison) => {
    const surrounding = Buffer.alloc(bytes.length + 64, poison)
    bytes.copy(surrounding, 32)
    return surrounding.subarray(32, 32 + bytes.length)
  })
}

/** Random bytes that are mostly zeros, letters and small numbers, as protocol bytes are. */
export const wireLikeBytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc
    .array(
      fc.oneof(fc.constant(0), fc.constantFrom(...Buffer.from('CESVMDNZRIT3')), fc.integer({ min: 0, max: 255 })),
      {
        maxLength,
      },
    )
    .map((bytes) => Buffer.from(bytes))
