/**
 * Settings that are fine each by itself and impossible together. Pure. Each rule looks only at settings that could be
 * read, so that all faults of a file come at once.
 */
import { formatListenerAddress, formatNodeAddress } from './address.ts'
import type { Draft } from './draft.ts'
import { formatDuration } from './duration.ts'
import { formatPath, type Path } from './fault.ts'
import { findTlsFaults } from './impossible-tls.ts'
import type { RawMapping } from './walk-document.ts'

export interface RuleFault {
  readonly path: Path
  readonly problem: string
  readonly expected: string | null
}

/** `raw` tells a setting that was written from one that has its default. */
export function findImpossible(draft: Draft, raw: RawMapping): readonly RuleFault[] {
  return [
    ...findTimingFaults(draft),
    ...findSecretFaults(draft),
    ...findListenerFaults(draft, raw),
    ...findAdminFaults(draft, raw),
    ...findTlsFaults(draft, raw),
    ...findDoubles(draft),
  ]
}

function findTimingFaults({ monitor }: Draft): readonly RuleFault[] {
  const { interval, fast_interval: fast, timeout, failures, decision_ttl: ttl } = monitor
  const faults: RuleFault[] = []
  if (fast !== undefined && interval !== undefined && fast > interval) {
    faults.push({
      path: ['monitor', 'fast_interval'],
      problem: 'is longer than monitor.interval',
      expected: `at most ${formatDuration(interval)}`,
    })
  }
  if (timeout !== undefined && failures !== undefined && ttl !== undefined && timeout * failures >= ttl) {
    faults.push({
      path: ['monitor', 'decision_ttl'],
      problem: 'ends before a silent node counts as silent (monitor.timeout x monitor.failures)',
      expected: `more than ${formatDuration(timeout * failures)}, or a lower timeout or failures`,
    })
  }
  if (interval !== undefined && ttl !== undefined && interval >= ttl) {
    faults.push({
      path: ['monitor', 'decision_ttl'],
      problem: 'ends before the next probe (monitor.interval)',
      expected: `more than ${formatDuration(interval)}, or a lower interval`,
    })
  }
  return faults
}

function findSecretFaults({ monitor, admin }: Draft): readonly RuleFault[] {
  const faults: RuleFault[] = []
  if (isGiven(monitor.password) && isGiven(monitor.password_file)) {
    faults.push({
      path: ['monitor', 'password_file'],
      problem: 'is given together with monitor.password',
      expected: 'one of them',
    })
  }
  if (isGiven(admin?.token) && isGiven(admin?.token_file)) {
    faults.push({
      path: ['admin', 'token_file'],
      problem: 'is given together with admin.token',
      expected: 'one of them',
    })
  }
  const { sslmode, sslrootcert } = monitor
  if (isGiven(sslrootcert) && sslmode !== undefined && !sslmode.startsWith('verify-')) {
    faults.push({
      path: ['monitor', 'sslrootcert'],
      problem: `has no effect with sslmode ${sslmode}, which checks no certificate`,
      expected: 'sslmode verify-ca or verify-full, or no sslrootcert',
    })
  }
  return faults
}

function isGiven(value: string | null | undefined): boolean {
  return value !== undefined && value !== null
}

const STANDBY_SETTINGS = ['balance', 'max_lag', 'fallback', 'on_promotion'] as const

function findListenerFaults(draft: Draft, raw: RawMapping): readonly RuleFault[] {
  const { listeners: written = [] } = raw
  const rawListeners = Array.isArray(written) ? written : []
  const faults: RuleFault[] = []
  for (const [index, listener] of draft.listeners.entries()) {
    const rawListener: unknown = rawListeners[index]
    if (typeof rawListener !== 'object' || rawListener === null) continue
    if ('socket_mode' in rawListener && listener?.address !== undefined && listener.address.kind !== 'unix') {
      faults.push({
        path: ['listeners', index, 'socket_mode'],
        problem: 'has no effect on an address that is no Unix socket of our own',
        expected: 'address: unix:/path, or no such setting',
      })
    }
    for (const setting of STANDBY_SETTINGS) {
      if (!(setting in rawListener)) continue
      const path = ['listeners', index, setting]
      if (listener?.route === 'primary') {
        faults.push({
          path,
          problem: 'has no effect with route: primary',
          expected: 'route: standby, or no such setting',
        })
      } else if (listener?.route === 'any' && setting === 'fallback') {
        faults.push({ path, problem: 'has no effect with route: any, which takes the primary anyway', expected: null })
      }
    }
  }
  return faults
}

function findAdminFaults({ admin }: Draft, raw: RawMapping): readonly RuleFault[] {
  const { admin: written } = raw
  const isWritten = (key: string): boolean => typeof written === 'object' && written !== null && key in written
  if (admin?.address === undefined) return []
  const fault = (key: string, problem: string, expected: string): readonly RuleFault[] =>
    isWritten(key) ? [{ path: ['admin', key], problem, expected }] : []
  return admin.address.kind === 'unix'
    ? fault('hosts', 'has no effect on a Unix socket, which is asked under any name', 'no such setting')
    : fault(
        'socket_mode',
        'has no effect on an address that is no Unix socket',
        'address: unix:/path, or no such setting',
      )
}

/** One address or name used twice, where that cannot work. */
function findDoubles(draft: Draft): readonly RuleFault[] {
  const faults: RuleFault[] = []
  /** What listens here, by address. Port 0 is another port each time. */
  const listening = new Map<string, string>()
  for (const [index, listener] of draft.listeners.entries()) {
    const address = listener?.address
    if (address === undefined || (address.kind === 'tcp' && address.port === 0)) continue
    const path = ['listeners', index, 'address']
    const first = findOverlap(listening, formatListenerAddress(address).toLowerCase())
    if (first !== null) faults.push({ path, problem: `is taken by ${first}`, expected: 'another address or port' })
    else listening.set(formatListenerAddress(address).toLowerCase(), formatPath(path))
  }
  const admin = draft.admin?.address
  if (admin !== undefined && !(admin.kind === 'tcp' && admin.port === 0)) {
    const first = findOverlap(listening, formatListenerAddress(admin).toLowerCase())
    if (first !== null)
      faults.push({ path: ['admin', 'address'], problem: `is taken by ${first}`, expected: 'another address or port' })
  }
  const names = new Map<string, string>()
  const addresses = new Map<string, string>()
  for (const [index, node] of draft.nodes.entries()) {
    const path = (key: string): Path => ['nodes', index, key]
    if (node?.name !== undefined) {
      const first = names.get(node.name)
      if (first !== undefined)
        faults.push({ path: path('name'), problem: `is the name of ${first} already`, expected: 'another name' })
      else names.set(node.name, `nodes[${index}]`)
    }
    if (node?.address === undefined) continue
    const address = formatNodeAddress(node.address).toLowerCase()
    const first = addresses.get(address)
    const own = listening.get(address)
    if (first !== undefined) {
      faults.push({
        path: path('address'),
        problem: `is the address of ${first} already`,
        expected: 'one entry for each node',
      })
    } else if (own !== undefined) {
      faults.push({
        path: path('address'),
        problem: `is the proxy's own ${own}: sessions would go round in a circle`,
        expected: "the node's address",
      })
    }
    if (first === undefined) addresses.set(address, `nodes[${index}]`)
  }
  return faults
}

/** Who listens on `address` or on one that excludes it: a wildcard takes its port on every address of its family. */
function findOverlap(listening: ReadonlyMap<string, string>, address: string): string | null {
  const parts = splitWildcard(address)
  for (const [other, owner] of listening) {
    if (other === address) return owner
    const otherParts = splitWildcard(other)
    if (parts === null || otherParts === null || parts.port !== otherParts.port || parts.family !== otherParts.family)
      continue
    if (parts.isWildcard || otherParts.isWildcard) return owner
  }
  return null
}

function splitWildcard(address: string): { port: string; family: 'v4' | 'v6'; isWildcard: boolean } | null {
  const [, v6, v4, port = ''] = /^(?:\[(.*)\]|(\d+(?:\.\d+){3})):(\d+)$/.exec(address) ?? []
  if (v6 !== undefined) return { port, family: 'v6', isWildcard: /^[0:]+$/.test(v6) }
  return v4 === undefined ? null : { port, family: 'v4', isWildcard: v4 === '0.0.0.0' }
}
