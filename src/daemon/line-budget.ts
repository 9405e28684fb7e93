/**
 * How many lines the log may have about one thing: what comes and goes many times a minute has some, and the rest is
 * counted. Pure. It remembers a bounded number of things.
 */

/** About one thing, in one minute. */
export const LINES_MAX = 10
export const WINDOW_MS = 60_000
const NAMES_MAX = 1_000

interface Budget {
  startedAt: number
  lineCount: number
  /** Since the last line. */
  untold: number
}

export class LineBudget {
  readonly #budgets = new Map<string, Budget>()

  /** What to add to the line; `null`: it is one too many. */
  take(name: string, now: number): { readonly untold?: number } | null {
    const budget = this.#budgets.get(name) ?? this.#begin(name, now)
    if (now - budget.startedAt >= WINDOW_MS) {
      budget.startedAt = now
      budget.lineCount = 0
    }
    budget.lineCount += 1
    if (budget.lineCount > LINES_MAX) {
      budget.untold += 1
      return null
    }
    const { untold } = budget
    budget.untold = 0
    return untold === 0 ? {} : { untold }
  }

  #begin(name: string, now: number): Budget {
    const [oldest] = this.#budgets.keys()
    if (oldest !== undefined && this.#budgets.size >= NAMES_MAX) this.#budgets.delete(oldest)
    const budget: Budget = { startedAt: now, lineCount: 0, untold: 0 }
    this.#budgets.set(name, budget)
    return budget
  }
}
