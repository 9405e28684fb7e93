/**
 * A counter that is brought up to a total which somebody else counts. Never down: what a broken socket had taken and not
 * sent leaves the sockets' own total, and Prometheus would take a lower value for a restart. Effect layer.
 */
import { Counter, type Registry } from 'prom-client'

export interface TotalCounterOptions {
  readonly registry: Registry
  /** Ends in `_total`. */
  readonly name: string
  readonly help: string
  /** The one label it has, if any. */
  readonly label?: string
}

export class TotalCounter {
  readonly #counter: Counter
  readonly #label: string | undefined
  readonly #totals = new Map<string, number>()

  constructor({ registry, name, help, label }: TotalCounterOptions) {
    this.#counter = new Counter({ registers: [registry], name, help, labelNames: label === undefined ? [] : [label] })
    this.#label = label
  }

  /** `value` is the label's, of few values; left out where there is no label. */
  raise(total: number, value = ''): void {
    const grownBy = total - (this.#totals.get(value) ?? 0)
    if (grownBy > 0) this.#totals.set(value, total)
    this.#counter.inc(this.#label === undefined ? {} : { [this.#label]: value }, Math.max(0, grownBy))
  }
}
