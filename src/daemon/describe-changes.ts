/** What differs between two configurations, by YAML path, and whether it takes effect now. Pure. */
import type { Config, ListenerConfig } from '../config/config.ts'
import { redactConfig } from '../config/redact.ts'

/** Top-level keys of which a change waits for a restart. */
const AFTER_RESTART: ReadonlySet<keyof Config> = new Set(['admin', 'stateDir', 'workers'])

export interface Changes {
  /** `monitor.interval: 500 -> 1000`; times in milliseconds, secrets redacted. */
  readonly live: readonly string[]
  readonly afterRestart: readonly string[]
}

export function describeChanges(before: Config, after: Config): Changes {
  const live: string[] = []
  const afterRestart: string[] = []
  for (const key of Object.keys(after) as (keyof Config)[]) {
    const changes = differences(key, redactConfig(before)[key], redactConfig(after)[key])
    // A secret that changed looks the same when redacted.
    if (changes.length === 0 && !isEqual(before[key], after[key])) changes.push(`${key}: a secret`)
    ;(AFTER_RESTART.has(key) ? afterRestart : live).push(...changes)
  }
  return { live, afterRestart }
}

function differences(path: string, before: unknown, after: unknown): string[] {
  if (isEqual(before, after)) return []
  if (!isMapping(before) || !isMapping(after)) return [`${path}: ${describe(before)} -> ${describe(after)}`]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => differences(`${path}.${key}`, before[key], after[key]))
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return value.map(describeEntry).join(', ')
  return JSON.stringify(value)
}

function describeEntry(entry: unknown): string {
  if (isMapping(entry) && typeof entry['name'] === 'string') return entry['name']
  if (isMapping(entry) && 'route' in entry) return JSON.stringify((entry as unknown as ListenerConfig).address)
  return JSON.stringify(entry)
}
