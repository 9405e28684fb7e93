/**
 * Takes notifications: lets them pass the gate, reads body and query, has every node looked at, and answers without waiting for
 * what comes of it. Part of the admin server.
 */
import { type Answer, json } from './answer.ts'
import { type Notification, readNotification } from './notification.ts'
import { notifyToken } from './notify-token.ts'
import { RateWindow } from './rate-window.ts'
import type { AdminRequest } from './routes.ts'
import { isSameToken, type TokenGate } from './token-gate.ts'

/** From everybody together. Counted apart from orders: repmgr must not crowd out an operator. */
export const NOTIFICATIONS_TAKEN = { countMax: 20, windowMs: 1_000 } as const

/** For the log. */
export interface NotificationRecord {
  readonly notification: Notification
  readonly client: string
}

export interface NotificationDeskOptions {
  readonly gate: TokenGate
  /** Has every node asked now, and often for a while. */
  readonly hurry: () => void
  readonly onNotified: (record: NotificationRecord) => void
}

export class NotificationDesk {
  readonly #options: NotificationDeskOptions
  readonly #taken = new RateWindow(NOTIFICATIONS_TAKEN)

  constructor(options: NotificationDeskOptions) {
    this.#options = options
  }

  async take(request: AdminRequest): Promise<Answer> {
    const { gate, hurry, onNotified } = this.#options
    const { client } = request
    const admission = { name: 'notify', isRight, taken: this.#taken, limit: NOTIFICATIONS_TAKEN } as const
    const refusal = gate.refuse(request, admission)
    if (refusal !== null) return refusal
    const body = await request.readBody()
    if (body.kind === 'too-large') return gate.malformed('notify', client, 413, 'the body is too large')
    // In repmgr.conf and a shell quotes get lost: the query says the same without any.
    const fields = {
      ...Object.fromEntries(request.parameters),
      ...(body.kind === 'fields' ? body.fields : { '': null }),
    }
    const reading = readNotification(fields)
    if (!reading.ok) return gate.malformed('notify', client, 400, reading.problem)
    hurry()
    onNotified({ notification: reading.notification, client })
    return json(202, { message: 'every node is asked' })
  }
}

function isRight(given: string, configured: string): boolean {
  const isOfOperator = isSameToken(given, configured)
  return isSameToken(given, notifyToken(configured)) || isOfOperator
}
