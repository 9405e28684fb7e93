/** One issue of zod to faults in the config's own words. Pure. Takes no value from an issue, since that may be a secret. */
import type { z } from 'zod'
import { type ConfigFault, displayKey, formatPath, type Path, type PathSegment } from './fault.ts'
import { suggestKey } from './known-keys.ts'
import type { IssueParams } from './setting.ts'
import type { RawMapping, RawValue, WalkedDocument } from './walk-document.ts'

/** Zod's path as ours: it allows symbols, which no YAML key is. */
function pathOf(segments: readonly PropertyKey[]): PathSegment[] {
  return segments.map((segment) => (typeof segment === 'number' ? segment : String(segment)))
}

function valueAt(root: RawMapping, path: Path): RawValue | undefined {
  let value: RawValue | undefined = root
  for (const segment of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Readonly<Record<PathSegment, RawValue>>)[segment]
  }
  return value
}

function kindOf(value: RawValue | undefined): string {
  if (value === undefined) return 'is missing'
  if (value === null) return 'has no value'
  if (typeof value === 'string') return 'is a single value'
  return Array.isArray(value) ? 'is a list' : 'is a mapping'
}

interface FaultOptions {
  readonly suggestion?: string | null
  readonly showValue?: boolean
}

/** Builds a fault at `path`, with the line and what may be shown of the value. */
export function faultAt(
  walked: WalkedDocument,
  path: Path,
  problem: string,
  expected: string | null,
  { suggestion = null, showValue = true }: FaultOptions = {},
): ConfigFault {
  const place = walked.placeOf(path)
  const isFromVariable = walked.variablesOf(path).length > 0
  return {
    path: formatPath(path),
    line: place.line,
    column: place.column,
    value: showValue ? place.text : null,
    problem,
    expected,
    // A guess repeats part of the value: none where that is not shown.
    suggestion: isFromVariable || place.text === null ? null : suggestion,
  }
}

/** A fault, and its path before it was made readable. */
export interface PlacedFault {
  readonly fault: ConfigFault
  readonly path: Path
}

/** The faults of one issue, found at `base` and below. */
export function describeIssue(
  issue: z.core.$ZodIssue,
  walked: WalkedDocument,
  base: Path = [],
): readonly PlacedFault[] {
  const path: Path = [...base, ...pathOf(issue.path)]
  const value = valueAt(walked.value, path)
  const one = (problem: string, expected: string | null, options?: FaultOptions): readonly PlacedFault[] => [
    { path, fault: faultAt(walked, path, problem, expected, options) },
  ]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const fault = faultAt(walked, [...path, key], 'unknown key', null, { showValue: false })
        return { path: [...path, key], fault: { ...fault, suggestion: suggestKey(path, displayKey(key)) } }
      })
    case 'custom': {
      const params = issue.params as IssueParams | undefined
      return one(issue.message, params?.expected ?? null, { suggestion: params?.suggestion ?? null })
    }
    case 'invalid_union':
      // The only union is "off, or a section": a mapping is a section with faults, anything else is neither.
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        return one(kindOf(value), 'a mapping of settings, or off')
      }
      return (issue.errors.at(-1) ?? []).flatMap((inner) => describeIssue(inner, walked, path))
    case 'too_small':
      return one('is an empty list', 'at least one entry')
    case 'too_big':
      return one('is too long', `at most ${issue.maximum} entries`)
    default: {
      const isList = issue.code === 'invalid_type' && issue.expected === 'array'
      return one(kindOf(value), isList ? 'a list with at least one entry' : 'a mapping of settings', {
        showValue: false,
      })
    }
  }
}
