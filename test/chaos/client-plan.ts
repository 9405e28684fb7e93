/**
 * Which clients a chaos run has: who they are, by which proxies they come, how they work and at what pace. Pure; some 40
 * writes a second in all, so that a machine with two cores has time for the cluster.
 */
import type { Route } from './history.ts'

/**
 * `steady`: keeps its session and writes in a transaction. `fresh`: a session for each write, without a transaction.
 * `crowd`: a number of such sessions at once. `idle`: a session that is silent for long, then writes. `twice`: asks the
 * same before and after a write, in one snapshot. `reader`: keeps its session and reads. `visitor`: a session for each read.
 */
export type ClientStyle = 'steady' | 'fresh' | 'crowd' | 'idle' | 'twice' | 'reader' | 'visitor'

/** Names of those that are silent for long, whatever happens. */
export const SILENT_CLIENTS = /^(?:idle|crowd)-/

/** An address of a proxy. */
export interface ClientTarget {
  readonly proxy: string
  readonly host: string
  readonly port: number
}

export interface ClientSpec {
  readonly name: string
  readonly style: ClientStyle
  readonly route: Route
  /** Tried in this order for each session, as libpq does with several hosts. */
  readonly targets: readonly ClientTarget[]
  /** Between two operations; each time between half of it and one and a half. */
  readonly paceMs: number
  /** Silence after which an operation is given up. */
  readonly patienceMs: number
  /** Sessions at once; 1 but for a crowd. */
  readonly count: number
  /** Whose rows a reader looks at; a writer looks at its own. */
  readonly subject: string
}

/** A proxy as clients know it. */
export interface ClientProxy {
  readonly name: string
  readonly address: string
  readonly writePort: number
  readonly standbyPort: number
}

const PATIENCE_MS = 10_000
/** Longer than a freeze: its session has to outlive it. */
const LONG_PATIENCE_MS = 60_000

/** All clients, in groups of those that share a process. */
export function planClients(proxies: readonly ClientProxy[]): readonly (readonly ClientSpec[])[] {
  const writers: ClientSpec[] = []
  const others: ClientSpec[] = []
  for (const [index, { name }] of proxies.entries()) {
    const own = proxies.filter((proxy) => proxy.name === name)
    const inTurn = [...proxies.slice(index), ...proxies.slice(0, index)]
    const add = (group: ClientSpec[], style: ClientStyle, from: readonly ClientProxy[], rest: Partial<ClientSpec>) => {
      const route = style === 'reader' || style === 'visitor' ? 'read' : 'write'
      const client = `${style}-${from.map((each) => each.name).join('-')}`
      const targets = from.map(({ name: proxy, address: host, writePort, standbyPort }) => {
        return { proxy, host, port: route === 'write' ? writePort : standbyPort }
      })
      const defaults = { paceMs: 250, patienceMs: PATIENCE_MS, count: 1, subject: client }
      group.push({ name: client, style, route, targets, ...defaults, ...rest })
    }
    add(writers, 'steady', own, {})
    add(writers, 'steady', inTurn, { paceMs: 400 })
    add(writers, 'fresh', own, { paceMs: 400 })
    add(writers, 'fresh', inTurn, { paceMs: 600 })
    add(writers, 'twice', own, { paceMs: 500 })
    add(others, 'crowd', own, { paceMs: 8_000, count: 12 })
    add(others, 'idle', own, { paceMs: 8_000, patienceMs: LONG_PATIENCE_MS })
    add(others, 'reader', own, { paceMs: 300, subject: `steady-${name}` })
    add(others, 'visitor', own, { paceMs: 700, subject: `steady-${name}` })
  }
  const patient = others.filter(({ style }) => style === 'idle')
  // Several of them, so that there is always one that has been silent for long.
  const more = patient.flatMap((spec) => [2, 3].map((copy) => ({ ...spec, name: `${spec.name}-${copy}` })))
  return [writers, [...others, ...more.map((spec) => ({ ...spec, subject: spec.name }))]]
}
