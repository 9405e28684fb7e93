/**
 * The kinds of single values a setting can have: whole number, switch, choice, duration, size, text, address. Each reads
 * text, because every scalar reaches the schema as the text that stood in the file or the environment: so `0123` stays a
 * password, `off` a word, and a number from `${NAME}` a number. Pure.
 */
import type { NodeAddress } from '../topology/observation.ts'
import { readAdminAddress, readHostName, readListenerAddress, readNodeAddress } from './address.ts'
import type { AdminAddress, ListenerAddress } from './config.ts'
import { formatDuration, readDuration } from './duration.ts'
import { nearestWord } from './nearest.ts'
import { readPeers } from './peers.ts'
import type { Reading } from './reading.ts'
import { formatSize, readSize } from './size.ts'

export interface ScalarKind<T> {
  /** Completes "expected ...". */
  readonly expected: string
  readonly read: (text: string) => Reading<T>
  /** What an editor may check of it, as JSON Schema keywords. */
  readonly jsonSchema: Readonly<Record<string, unknown>>
}

function bad(problem: string, suggestion: string | null = null): Reading<never> {
  return { ok: false, problem, suggestion }
}

/** Bounds for `kind`: reads as it does, and refuses what lies outside of `min` to `max`, both included. */
function within(reading: Reading<number>, min: number, max: number): Reading<number> {
  if (!reading.ok) return reading
  if (reading.value < min) return bad('is too small')
  return reading.value > max ? bad('is too large') : reading
}

/** A whole number from `min` to `max`, both included. */
export function wholeNumber(min: number, max: number): ScalarKind<number> {
  return {
    expected: `a whole number, ${min} to ${max}`,
    read: (text) =>
      /^-?\d{1,15}$/.test(text) ? within({ ok: true, value: Number(text) }, min, max) : bad('is not a whole number'),
    jsonSchema: { type: 'integer', minimum: min, maximum: max },
  }
}

/** A duration in milliseconds from `minMs` to `maxMs`, both included; `zero: 'off'` lets `0s` in as well. */
export function duration(minMs: number, maxMs: number, { zero }: { zero: 'off' | 'refused' }): ScalarKind<number> {
  const range = `${formatDuration(minMs)} to ${formatDuration(maxMs)}${zero === 'off' && minMs > 0 ? ', or 0s' : ''}`
  return {
    expected: `a duration with its unit (ms, s, m, h), ${range}`,
    read: (text) => {
      const reading = readDuration(text)
      if (reading.ok && reading.value === 0 && zero === 'off') return reading
      return within(reading, minMs, maxMs)
    },
    jsonSchema: { type: 'string', pattern: '^[0-9]+(\\.[0-9]+)?\\s?(ms|s|m|h)$' },
  }
}

/** A size in bytes from `minBytes` to `maxBytes`, both included. */
export function size(minBytes: number, maxBytes: number): ScalarKind<number> {
  return {
    expected: `a size with its unit (B, KiB, MiB, GiB, TiB), ${formatSize(minBytes)} to ${formatSize(maxBytes)}`,
    read: (text) => within(readSize(text), minBytes, maxBytes),
    jsonSchema: { type: 'string', pattern: '^[0-9]+\\s?(B|KiB|MiB|GiB|TiB)$' },
  }
}

/** One of a few words. */
export function choice<const Word extends string>(words: readonly Word[]): ScalarKind<Word> {
  return {
    expected: words.length === 1 ? `${words[0]}` : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`,
    read: (text) => {
      const found = words.find((word) => word === text)
      return found === undefined
        ? bad('is not one of the known values', nearestWord(text, words))
        : { ok: true, value: found }
    },
    jsonSchema: { enum: [...words] },
  }
}

const SWITCH_SYNONYMS = new Map([
  ...['yes', 'on', 'y', '1'].map((word) => [word, 'true'] as const),
  ...['no', 'off', 'n', '0'].map((word) => [word, 'false'] as const),
])

/** `true` or `false`, nothing else: which other words YAML takes for them depends on its version. */
export const SWITCH: ScalarKind<boolean> = {
  expected: 'true or false',
  read: (text) => {
    if (text === 'true' || text === 'false') return { ok: true, value: text === 'true' }
    const word = text.toLowerCase()
    return bad('is not a switch', SWITCH_SYNONYMS.get(word) ?? nearestWord(word, ['true', 'false']))
  },
  jsonSchema: { type: 'boolean' },
}

/** A number of worker processes, or `auto`. */
export function numberOrAuto(min: number, max: number): ScalarKind<number | 'auto'> {
  const number = wholeNumber(min, max)
  return {
    expected: `${number.expected}, or auto`,
    read: (text) => (text === 'auto' ? { ok: true, value: text } : number.read(text)),
    jsonSchema: { anyOf: [number.jsonSchema, { const: 'auto' }] },
  }
}

/** A name on one line, 1 to `max` bytes of UTF-8. PostgreSQL and repmgr both keep at most 63. */
export function name(max: number): ScalarKind<string> {
  return {
    expected: `a name of 1 to ${max} bytes`,
    read: (text) => {
      if (text === '') return bad('is empty')
      if (Buffer.byteLength(text) > max) return bad('is too long')
      return hasControlCharacter(text) ? bad('contains a control character') : { ok: true, value: text }
    },
    jsonSchema: { type: 'string', minLength: 1, maxLength: max },
  }
}

/** The path of a file or directory, absolute or from the working directory. `~` is not expanded. */
export const PATH: ScalarKind<string> = {
  expected: 'a path',
  read: (text) => {
    if (text === '') return bad('is empty')
    if (text.startsWith('~')) return bad('starts with ~, which only a shell expands')
    if (Buffer.byteLength(text) > 4_095) return bad('is too long')
    return hasControlCharacter(text) ? bad('contains a control character') : { ok: true, value: text }
  },
  jsonSchema: { type: 'string', minLength: 1 },
}

/**
 * A password or token, at most 1024 characters, no NUL (it would end the string in PostgreSQL's protocol). An empty one
 * counts as not given, so that `${NAME:-}` can mean "perhaps".
 */
export const SECRET: ScalarKind<string | null> = {
  expected: 'text',
  read: (text) => {
    if (text === '') return { ok: true, value: null }
    if (text.length > 1_024) return bad('is too long')
    return text.includes('\0') ? bad('contains a NUL character') : { ok: true, value: text }
  },
  // `writeOnly` is JSON Schema's word for "never shown"; redact.ts is tested against it.
  jsonSchema: { type: 'string', writeOnly: true },
}

export const LISTENER_ADDRESS: ScalarKind<ListenerAddress> = {
  expected: 'host:port, [v6]:port, unix:/path or fd:NAME',
  read: readListenerAddress,
  jsonSchema: { type: 'string' },
}

export const NODE_ADDRESS: ScalarKind<NodeAddress> = {
  expected: 'host, host:port, [v6]:port or the directory of a Unix socket',
  read: readNodeAddress,
  jsonSchema: { type: 'string' },
}

/** The permissions of a socket's file, as chmod(1) takes them. */
export const SOCKET_MODE: ScalarKind<number> = {
  expected: 'permissions in octal, 0000 to 0777, such as 0770',
  read: (text) => {
    if (/^(0|0o)?[0-7]{3}$/.test(text)) return { ok: true, value: Number.parseInt(text.slice(-3), 8) }
    return bad('is not permissions in octal')
  },
  jsonSchema: { anyOf: [{ type: 'integer' }, { type: 'string', pattern: '^(0|0o)?[0-7]{3}$' }] },
}

export const PEERS: ScalarKind<string> = {
  expected: 'an address, a network such as 10.0.0.0/8, or unix',
  read: readPeers,
  jsonSchema: { type: 'string' },
}

export const HOST_NAME: ScalarKind<string> = {
  expected: 'the name of a host, without a port',
  read: readHostName,
  jsonSchema: { type: 'string' },
}

export const ADMIN_ADDRESS: ScalarKind<AdminAddress> = {
  expected: 'host:port, [v6]:port or unix:/path',
  read: readAdminAddress,
  jsonSchema: { type: 'string' },
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text)
}
