/**
 * Makes a picture of a page a third as large: 256 of its colours, one byte a pixel, and what is left takes the nearest of
 * them. Test support. Reads only what Chromium writes: 8 bits, RGB or RGBA, not interlaced.
 * @see https://www.w3.org/TR/png-3/
 */
import { crc32, deflateSync, inflateSync } from 'node:zlib'

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex')
const COLOURS_MAX = 256
const EXACT_MAX = 128

interface Picture {
  readonly width: number
  readonly height: number
  /** `0xRRGGBB`, row by row. */
  readonly pixels: Uint32Array
}

/** The same picture, as PNG. Throws when it is none that Chromium writes. */
export function shrinkPng(png: Buffer): Buffer {
  const { width, height, pixels } = decode(png)
  const palette = frequentColours(pixels)
  const indexes = new Map(palette.map((colour, index) => [colour, index]))
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = pixels[y * width + x] ?? 0
      const index = indexes.get(colour) ?? nearest(colour, palette)
      indexes.set(colour, index)
      rows[y * (width + 1) + 1 + x] = index
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  // 8 bits, indexed.
  header.set([8, 3], 8)
  const colours = Buffer.from(palette.flatMap((colour) => parts(colour)))
  const data = deflateSync(rows, { level: 9, memLevel: 9 })
  const end = chunk('IEND', Buffer.alloc(0))
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('PLTE', colours), chunk('IDAT', data), end])
}

function decode(png: Buffer): Picture {
  const data: Buffer[] = []
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at)
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(png.subarray(at + 8, at + 8 + length))
    at += length + 12
  }
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)]
  const channels = { 2: 3, 6: 4 }[png[25] ?? 0]
  if (png[24] !== 8 || channels === undefined || png[28] !== 0) throw new Error('not a PNG as Chromium writes it')
  const bytes = inflateSync(Buffer.concat(data))
  const stride = width * channels
  const pixels = new Uint32Array(width * height)
  let above = new Uint8Array(stride)
  for (let y = 0; y < height; y++) {
    const begin = y * (stride + 1)
    const row = unfilter(bytes[begin] ?? 0, bytes.subarray(begin + 1, begin + 1 + stride), above, channels)
    for (let x = 0; x < width; x++) {
      const at = x * channels
      pixels[y * width + x] = ((row[at] ?? 0) << 16) | ((row[at + 1] ?? 0) << 8) | (row[at + 2] ?? 0)
    }
    above = row
  }
  return { width, height, pixels }
}

/** @see https://www.w3.org/TR/png-3/#9Filters */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array, channels: number): Uint8Array<ArrayBuffer> {
  const plain = new Uint8Array(row.length)
  for (let at = 0; at < row.length; at++) {
    const left = plain[at - channels] ?? 0
    const up = above[at] ?? 0
    const corner = above[at - channels] ?? 0
    const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0
    plain[at] = (row[at] ?? 0) + guess
  }
  return plain
}

function paeth(left: number, up: number, corner: number): number {
  const [byLeft, byUp, byCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)]
  if (byLeft <= byUp && byLeft <= byCorner) return left
  return byUp <= byCorner ? up : corner
}

/** Most of the plain surfaces exactly; of the rest, which are edges of letters, one for each neighbourhood. */
function frequentColours(pixels: Uint32Array): number[] {
  const exact = mostFrequent(pixels, EXACT_MAX)
  const known = new Set(exact)
  const rest = pixels.filter((colour) => !known.has(colour)).map((colour) => (colour & 0xf0f0f0) | 0x080808)
  return [...exact, ...mostFrequent(rest, COLOURS_MAX - EXACT_MAX)]
}

function mostFrequent(colours: Uint32Array, countMax: number): number[] {
  const counts = new Map<number, number>()
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1)
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, countMax)
    .map(([colour]) => colour)
}

function nearest(colour: number, palette: readonly number[]): number {
  const [red, green, blue] = parts(colour)
  let [best, least] = [0, Number.POSITIVE_INFINITY]
  for (const [index, each] of palette.entries()) {
    const [r, g, b] = parts(each)
    const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2
    if (distance < least) [best, least] = [index, distance]
  }
  return best
}

function parts(colour: number): [red: number, green: number, blue: number] {
  return [(colour >> 16) & 255, (colour >> 8) & 255, colour & 255]
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  body.copy(framed, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}
