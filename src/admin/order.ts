/**
 * What an operator may order, and how it is read out of a request's body. Part of the admin server; pure. What an order
 * means is not known here.
 */

import { LOG_LEVELS, type LogLevel } from '../config/config.ts'
import { readDuration } from '../config/duration.ts'

/** Orders that name a node. */
export const NODE_ORDERS = ['accept', 'fence', 'unfence'] as const
export const ORDERS = [...NODE_ORDERS, 'drain', 'probe', 'log-level'] as const
export type OrderName = (typeof ORDERS)[number]

export type Order =
  | { readonly kind: (typeof NODE_ORDERS)[number]; readonly node: string }
  /** `isOn: false`: take new sessions again. */
  | { readonly kind: 'drain'; readonly isOn: boolean }
  /** `null`: all nodes. */
  | { readonly kind: 'probe'; readonly node: string | null }
  /** `null`: until the next reload. */
  | { readonly kind: 'log-level'; readonly level: LogLevel; readonly forMs: number | null }

/** An order as it came. */
export interface GivenOrder {
  readonly order: Order
  /** Why, in the operator's words: for the log. */
  readonly reason: string | null
}

export type OrderReading =
  | { readonly ok: true; readonly given: GivenOrder }
  | { readonly ok: false; readonly problem: string }

/** A level for longer than a day belongs into the configuration. */
export const LOG_LEVEL_MS_MAX = 24 * 3_600_000

/** Characters of a reason. */
const REASON_LENGTH_MAX = 200

/** Reads what the body of `POST /api/NAME` says. Unknown fields are refused: whoever writes one means something by it. */
export function readOrder(name: OrderName, fields: Readonly<Record<string, unknown>>): OrderReading {
  const { reason = null, ...rest } = fields
  if (reason !== null && !isReason(reason)) {
    return { ok: false, problem: `reason must be one line of at most ${REASON_LENGTH_MAX} characters` }
  }
  const order = orderOf(name, rest)
  return order === null ? { ok: false, problem: formOf(name) } : { ok: true, given: { order, reason } }
}

function orderOf(name: OrderName, fields: Readonly<Record<string, unknown>>): Order | null {
  if (name === 'log-level') return readLogLevel(fields)
  const known = name === 'drain' ? 'drain' : 'node'
  if (Object.keys(fields).some((key) => key !== known)) return null
  const value = fields[known]
  switch (name) {
    case 'drain':
      if (value === undefined) return { kind: name, isOn: true }
      return typeof value === 'boolean' ? { kind: name, isOn: value } : null
    case 'probe':
      if (value === undefined || value === null) return { kind: name, node: null }
      return isName(value) ? { kind: name, node: value } : null
    case 'accept':
    case 'fence':
    case 'unfence':
      return isName(value) ? { kind: name, node: value } : null
    default:
      return name satisfies never
  }
}

function formOf(name: OrderName): string {
  switch (name) {
    case 'drain':
      return 'the body must be JSON: {"drain": true} or {"drain": false}'
    case 'log-level':
      return `the body must be JSON: {"level": "debug", "for": "10m"}; one of ${LOG_LEVELS.join(', ')}, for at most 24h`
    case 'probe':
      return 'the body must be empty, or JSON: {"node": "NAME"}'
    case 'accept':
    case 'fence':
    case 'unfence':
      return 'the body must be JSON: {"node": "NAME"}'
    default:
      return name satisfies never
  }
}

function readLogLevel({ level, for: duration, ...others }: Readonly<Record<string, unknown>>): Order | null {
  const known = LOG_LEVELS.find((each) => each === level)
  if (known === undefined || Object.keys(others).length > 0) return null
  if (duration === undefined || duration === null) return { kind: 'log-level', level: known, forMs: null }
  const forMs = typeof duration === 'string' ? readDuration(duration) : null
  if (forMs === null || !forMs.ok || forMs.value <= 0 || forMs.value > LOG_LEVEL_MS_MAX) return null
  return { kind: 'log-level', level: known, forMs: forMs.value }
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isReason(value: unknown): value is string {
  return typeof value === 'string' && value.length <= REASON_LENGTH_MAX && !/\p{Cc}/u.test(value)
}
