/**
 * Builds zod schemas for one setting and for one section of settings. A setting's issue carries what was expected and a
 * suggestion, and never the value: fault.ts decides whether that may be shown.
 */
import { z } from 'zod'
import type { ScalarKind } from './scalar-kind.ts'

/** What rides on a setting's issue beside its message; the keys of zod's `params`. */
export interface IssueParams {
  readonly expected: string
  readonly suggestion: string | null
}

/** For editors: the setting's own form, or text that takes something from the environment. */
function editorSchema(kind: ScalarKind<unknown>, description: string): Record<string, unknown> {
  const { writeOnly, ...form } = kind.jsonSchema
  const placeholder = { type: 'string', pattern: '\\$\\{' }
  const { type, pattern } = form
  // Plain text takes a placeholder anyway.
  const forms = type === 'string' && pattern === undefined ? form : { anyOf: [form, placeholder] }
  return { ...forms, ...(writeOnly === true ? { writeOnly } : {}), description }
}

function scalar<T>(kind: ScalarKind<T>) {
  return z.unknown().transform((input, context): T => {
    const fail = (problem: string, suggestion: string | null): T => {
      const params: IssueParams = { expected: kind.expected, suggestion }
      context.issues.push({ code: 'custom', input, message: problem, params: { ...params } })
      // zod hands the half-read document on to the cross-checks: a failed setting must not look like a value there.
      return undefined as never
    }
    if (input === undefined) return fail('is missing', null)
    if (input === null) return fail('has no value', null)
    if (Array.isArray(input)) return fail('is a list', null)
    if (typeof input === 'object') return fail('is a mapping', null)
    const reading = kind.read(String(input))
    return reading.ok ? reading.value : fail(reading.problem, reading.suggestion)
  })
}

/** A setting that must be given. */
export function required<T>(kind: ScalarKind<T>, description: string) {
  return scalar(kind).meta(editorSchema(kind, description))
}

/** A setting with a default, which is written as it would be in the file and read in the same way. */
export function withDefault<T>(kind: ScalarKind<T>, defaultInput: string | number | boolean, description: string) {
  return scalar(kind).prefault(defaultInput).meta(editorSchema(kind, description))
}

/** A setting that may be left out; `undefined` then. */
export function optional<T>(kind: ScalarKind<T>, description: string) {
  return scalar(kind).optional().meta(editorSchema(kind, description))
}

/** A list of at most `max` scalars, which may be left out; `undefined` then. */
export function optionalScalars<T>(kind: ScalarKind<T>, max: number, description: string) {
  return z
    .array(scalar(kind).meta(editorSchema(kind, `One of them: ${kind.expected}.`)))
    .max(max)
    .optional()
    .meta({ description })
}

/** A mapping of settings, at least one of which must be given. Unknown keys are refused. Empty is one with nothing set. */
export function neededSection<Shape extends z.core.$ZodLooseShape>(shape: Shape, description: string) {
  return z.preprocess((input) => input ?? {}, z.strictObject(shape)).meta({ description })
}

/** A mapping of settings that may all be left out, and so may the section. Unknown keys are refused. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape, description: string) {
  return z
    .preprocess((input) => input ?? {}, z.strictObject(shape))
    .prefault({})
    .meta({ description })
}

/** A list with 1 to `max` entries. */
export function list<Item extends z.core.SomeType>(item: Item, max: number, description: string) {
  return z.array(item).min(1).max(max).meta({ description })
}
