/**
 * IP addresses as text and as bytes, for headers that carry either. Pure protocol layer: IPv6 comes out in the one
 * canonical form, so that two spellings of an address are one address. No zones, no prefixes, no names.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5952
 */

/** The longest text of an IPv6 address: 8 groups of 4 digits, or the last two as IPv4. */
const IPV6_TEXT_MAX = 45
const IPV4_PATTERN = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/
const GROUP_PATTERN = /^[0-9a-f]{1,4}$/i
const GROUPS = 8

/** Reads four decimal numbers without leading zeroes; gives the text back, or `null`. */
export function readIpv4(text: string): string | null {
  const match = IPV4_PATTERN.exec(text)
  if (match === null) return null
  return match.slice(1).every((part) => Number(part) <= 255) ? text : null
}

/** Reads any spelling of an IPv6 address; gives the canonical one (of a mapped IPv4 address that itself), or `null`. */
export function readIpv6(text: string): string | null {
  if (text.length > IPV6_TEXT_MAX) return null
  const halves = text.split('::')
  if (halves.length > 2) return null
  const [head, tail] = halves.map((half, index) => readGroups(half, index === halves.length - 1))
  if (head === undefined || head === null || tail === null) return null
  if (tail === undefined) return head.length === GROUPS ? formatGroups(head) : null
  const missing = GROUPS - head.length - tail.length
  return missing < 1 ? null : formatGroups([...head, ...new Array<number>(missing).fill(0), ...tail])
}

/** The text of 4 bytes at `offset`. */
export function formatIpv4(bytes: Buffer, offset: number): string {
  return [...bytes.subarray(offset, offset + 4)].join('.')
}

/** The canonical text of 16 bytes at `offset`; of a mapped IPv4 address that itself. */
export function formatIpv6(bytes: Buffer, offset: number): string {
  return formatGroups(Array.from({ length: GROUPS }, (_, index) => bytes.readUInt16BE(offset + 2 * index)))
}

/** What stands on one side of `::`. The very last group may be an IPv4 address, which counts as two. */
function readGroups(text: string, isLast: boolean): number[] | null {
  if (text === '') return []
  const groups: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (isLast && index === parts.length - 1 && part.includes('.')) {
      if (readIpv4(part) === null) return null
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
      groups.push(a * 256 + b, c * 256 + d)
      continue
    }
    if (!GROUP_PATTERN.test(part)) return null
    groups.push(Number.parseInt(part, 16))
  }
  return groups.length > GROUPS ? null : groups
}

function formatGroups(groups: readonly number[]): string {
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (isMapped)
    return groups
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.')
  const { start, length } = longestZeroes(groups)
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  return length < 2 ? hex(0, GROUPS) : `${hex(0, start)}::${hex(start + length, GROUPS)}`
}

/** The first of the longest runs of zero groups. */
function longestZeroes(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { start: index - length + 1, length }
  }
  return best
}
