/**
 * A fault of the configuration, and how it is told to people. What is shown of the file's own text is decided here, in
 * one place: never the value of a secret, never that of an unknown key (it may be a secret with a mistyped name).
 */
import { SECRET_PATHS } from './redact.ts'

/** Where in a file: both count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface ConfigFault {
  /** As a person writes it: `listeners[0].tls.mode`; empty for the file as a whole. */
  readonly path: string
  /** `null` when the fault is of the file as a whole. */
  readonly line: number | null
  readonly column: number | null
  /** The value as it stands in the file (`${NAME}`, not what it became), at most 60 characters; `null` when it is none or not to be shown. */
  readonly value: string | null
  /** A predicate: "is missing", "unknown key". */
  readonly problem: string
  /** What would be right; `null` when the problem says it all. */
  readonly expected: string | null
  /** The nearest known key or value; `null` when nothing is near. */
  readonly suggestion: string | null
}

export type PathSegment = string | number
export type Path = readonly PathSegment[]

const VALUE_LENGTH_MAX = 60
const KEY_LENGTH_MAX = 40

/**
 * A key for people: its leading letters, and an ellipsis for the rest. `password:hunter2` (the space forgotten) is one
 * key to YAML, and must not bring the password into an error message.
 */
export function displayKey(key: string): string {
  const [word = ''] = /^[A-Za-z0-9_-]*/.exec(key) ?? []
  return word === key && key.length <= KEY_LENGTH_MAX ? key : `${word.slice(0, KEY_LENGTH_MAX)}…`
}

/** `['listeners', 0, 'tls']` as `listeners[0].tls`. */
export function formatPath(path: Path): string {
  let text = ''
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`
    else text += text === '' ? displayKey(segment) : `.${displayKey(segment)}`
  }
  return text
}

/** The value for people: on one line, shortened, and `null` for a secret or what may be one. */
export function displayValue(path: Path, text: string): string | null {
  if (SECRET_PATHS.some((secret) => secret.every((segment, index) => path[index] === segment))) return null
  // Several settings that ran together into one scalar, or a secret put into an address.
  if (/[\r\n]|password|passwd|secret|token|@/i.test(text)) return null
  const shown = text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '·')
  return shown.length > VALUE_LENGTH_MAX ? `${shown.slice(0, VALUE_LENGTH_MAX - 1)}…` : shown
}

/** One fault on one or two lines, without a newline at the end. */
export function formatFault(fault: ConfigFault, source: string): string {
  const place = fault.line === null ? source : `${source}:${fault.line}`
  const subject = fault.path === '' ? '' : `${fault.path}: `
  const value = fault.value === null ? '' : `: "${fault.value}"`
  const suggestion = fault.suggestion === null ? '' : ` (did you mean "${fault.suggestion}"?)`
  const expected = fault.expected === null ? '' : `\n  expected ${fault.expected}`
  return `${place}: ${subject}${fault.problem}${value}${suggestion}${expected}`
}

/** All faults, in the order given, for people. `source` is the file's name. */
export function formatFaults(faults: readonly ConfigFault[], source: string): string {
  return faults.map((fault) => formatFault(fault, source)).join('\n')
}

/** In file order; faults of the whole file come first. */
export function inFileOrder(faults: readonly ConfigFault[]): readonly ConfigFault[] {
  return faults.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}
