/**
 * Takes orders: lets them pass the gate, reads the body, has the order carried out and tells the log of it. Part of the
 * admin server.
 */
import type { Status } from '../observability/status.ts'
import type { OrderResult } from '../probe/health-loop.ts'
import { type Answer, json, problem } from './answer.ts'
import { type GivenOrder, type OrderName, readOrder } from './order.ts'
import { RateWindow } from './rate-window.ts'
import type { AdminRequest } from './routes.ts'
import { isSameToken, type TokenGate } from './token-gate.ts'

/** From everybody together, with the right token: each one wakes every probe, and most write to the disk. */
export const ORDERS_TAKEN = { countMax: 20, windowMs: 1_000 } as const

/** For the log. */
export interface OrderRecord extends GivenOrder {
  readonly client: string
  readonly result: OrderResult
}

export interface OrderDeskOptions {
  readonly gate: TokenGate
  readonly carryOut: (given: GivenOrder) => Promise<OrderResult>
  /** For the answer: whoever fences the primary sees at once what that did. */
  readonly status: () => Status
  readonly onOrder: (record: OrderRecord) => void
}

export class OrderDesk {
  readonly #options: OrderDeskOptions
  readonly #taken = new RateWindow(ORDERS_TAKEN)

  constructor(options: OrderDeskOptions) {
    this.#options = options
  }

  async take(name: OrderName, request: AdminRequest): Promise<Answer> {
    const { gate, carryOut, status, onOrder } = this.#options
    const { client } = request
    const refusal = gate.refuse(request, { name, isRight: isSameToken, taken: this.#taken, limit: ORDERS_TAKEN })
    if (refusal !== null) return refusal
    const body = await request.readBody()
    if (body.kind === 'too-large') return gate.malformed(name, client, 413, 'the body is too large')
    const reading = readOrder(name, body.kind === 'fields' ? body.fields : { '': null })
    if (!reading.ok) return gate.malformed(name, client, 400, reading.problem)
    const { given } = reading
    const result = await carryOut(given)
    onOrder({ ...given, client, result })
    return result.ok ? json(200, { message: result.message, status: status() }) : problem(409, result.problem)
  }
}
