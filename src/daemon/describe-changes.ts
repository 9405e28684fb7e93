/** What differs between two configurations, in the words of the YAML file, and whether it takes effect now. Pure. */
import { formatListenerAddress } from '../config/address.ts'
import type { Config, ListenerAddress } from '../config/config.ts'
import { redactConfig } from '../config/redact.ts'

/** Settings of which a change waits for a restart, and all below them. */
export const AFTER_RESTART: readonly string[] = [
  'admin.address',
  'admin.socket_mode',
  'state_dir',
  'workers',
  'log.format',
]

export interface Changes {
  /** `monitor.interval: 500 -> 1000`; times in milliseconds, sizes in bytes, secrets redacted. */
  readonly live: readonly string[]
  readonly afterRestart: readonly string[]
}

/** `isTokenNew`: the admin token is another one than before, be it in the configuration or in its file. */
export function describeChanges(
  before: Config,
  after: Config,
  { isTokenNew = false }: { readonly isTokenNew?: boolean } = {},
): Changes {
  const [shownBefore, shownAfter] = [redactConfig(before), redactConfig(after)]
  const live: string[] = []
  const afterRestart: string[] = []
  for (const key of Object.keys(after) as (keyof Config)[]) {
    const path = yamlKey(key)
    const changes = differences(path, shownBefore[key], shownAfter[key])
    // A secret that changed looks the same when redacted.
    if (changes.length === 0 && !isEqual(before[key], after[key])) changes.push(`${path}: a secret`)
    const isSwitched = key === 'admin' && (before.admin === null || after.admin === null)
    for (const change of changes) (isSwitched || isForRestart(change) ? afterRestart : live).push(change)
  }
  // One that is in the configuration itself is told of already.
  if (isTokenNew && before.admin?.token === after.admin?.token) live.push('admin.token_file: another token in it')
  return { live, afterRestart }
}

function isForRestart(change: string): boolean {
  return AFTER_RESTART.some((path) => change.startsWith(`${path}:`) || change.startsWith(`${path}.`))
}

function differences(path: string, before: unknown, after: unknown): string[] {
  if (isEqual(before, after)) return []
  if (!isMapping(before) || !isMapping(after)) {
    const describeOne = path.endsWith('.socket_mode') ? describeMode : describe
    return [`${path}: ${describeOne(before)} -> ${describeOne(after)}`]
  }
  if ('kind' in before) return [`${path}: ${describeAddress(before)} -> ${describeAddress(after)}`]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => differences(`${path}.${yamlKey(key)}`, before[key], after[key]))
}

/** `decisionTtlMs` is `decision_ttl` in the file. */
function yamlKey(key: string): string {
  return key.replace(/(Ms|Bytes)$/, '').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function describe(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(describeEntry).join(', ')}]` : JSON.stringify(value)
}

/** A node as `name address`, a listener as `address route …`. */
function describeEntry(entry: unknown): string {
  if (!isMapping(entry)) return JSON.stringify(entry)
  const { name, address, ...rest } = entry
  if (typeof name === 'string') return `${name} ${describeAddress(address)}`
  const settings = Object.entries(rest).map(([key, value]) => {
    if (key === 'socketMode') return describeMode(value)
    return isMapping(value) ? Object.values(value).flat().join(' ') : String(value)
  })
  return [describeAddress(address), ...settings.filter((setting) => setting !== '')].join(' ')
}

/** As chmod takes it. */
function describeMode(value: unknown): string {
  return `0${Number(value).toString(8).padStart(3, '0')}`
}

function describeAddress(address: unknown): string {
  if (isMapping(address) && 'kind' in address) return formatListenerAddress(address as unknown as ListenerAddress)
  return isMapping(address) ? `${address['host']}:${address['port']}` : JSON.stringify(address)
}
