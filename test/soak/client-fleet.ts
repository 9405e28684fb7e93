/**
 * The coordinator's side of a process full of clients (client-process.ts), with a type for each kind. Test support.
 */
import type { FleetOrder } from './client-process.ts'
import { HelperProcess } from './helper-process.ts'
import type { PassingReport } from './passing-clients.ts'
import type { RudeReport } from './rude-clients.ts'
import type { StandingReport } from './standing-clients.ts'

/** What each kind of fleet reports. */
interface Reports {
  readonly standing: StandingReport
  readonly passing: PassingReport
  readonly rude: RudeReport
}

type OrderOf<K extends keyof Reports> = Extract<FleetOrder, { readonly kind: K }>['order']

/** Starts and ends with the soak; the clients in it come and go. */
export class ClientFleet<K extends keyof Reports> {
  readonly #kind: K
  readonly #process = new HelperProcess('./client-process.ts')

  constructor(kind: K) {
    this.#kind = kind
  }

  async start(order: OrderOf<K>): Promise<void> {
    await this.#process.ask({ kind: 'start', order: { kind: this.#kind, order } })
  }

  /** `null` when there are no clients. */
  async report(): Promise<Reports[K] | null> {
    return (await this.#process.ask({ kind: 'report' })) as Reports[K] | null
  }

  /** Waits for clients that end by themselves. */
  async finished(): Promise<Reports[K]> {
    return await this.#end('finished')
  }

  /** Has all clients leave, and waits for it. */
  async leave(): Promise<Reports[K]> {
    return await this.#end('close')
  }

  /** Ends the process. */
  async close(): Promise<void> {
    await this.#process.close()
  }

  async #end(kind: 'finished' | 'close'): Promise<Reports[K]> {
    const report = await this.#process.ask({ kind })
    if (report === null) throw new Error(`there are no ${this.#kind} clients`)
    return report as Reports[K]
  }
}
