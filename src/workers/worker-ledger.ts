/**
 * What has become of all sessions: of the workers there are, by their last word, and of those that have ended, whose
 * counts stay. Composition layer; the sums are worker-totals.ts's.
 */
import type { CloseReasonKind } from '../session/close-reason.ts'
import type { SessionFigures, Traffic } from '../session/session-figures.ts'
import type { WorkerProcess } from './worker-process.ts'
import { addFigures, addTotals, addTraffic, endedUncounted, endedWith, type Totals } from './worker-totals.ts'

export class WorkerLedger {
  /** Of workers that have ended, and of connections that came to no worker. */
  #past: Totals = addTotals([])
  #pastTraffic: Traffic = addTraffic([])
  /** By worker, of its last figures: what it has moved since then ends uncounted with it. */
  readonly #traffic = new Map<WorkerProcess, Traffic>()

  sum(workers: readonly WorkerProcess[]): Totals {
    return addTotals([this.#past, ...workers.flatMap(({ counts }) => counts ?? [])])
  }

  sumFigures(figures: readonly (readonly [WorkerProcess, SessionFigures])[]): SessionFigures {
    for (const [worker, { traffic }] of figures) this.#traffic.set(worker, traffic)
    const answered = figures.map(([worker]) => worker)
    const silent = [...this.#traffic].filter(([worker]) => !answered.includes(worker)).map(([, traffic]) => traffic)
    return addFigures(
      figures.map(([, each]) => each),
      addTraffic([this.#pastTraffic, ...silent]),
    )
  }

  /** A connection that ends before it has come to a worker. */
  turnAway(kind: CloseReasonKind): void {
    this.#past = addTotals([this.#past, endedUncounted(kind, 1)])
  }

  /** It has ended, and with it `lostOnTheWay` connections that it never knew of. Returns how many were lost in all. */
  bury(worker: WorkerProcess, lostOnTheWay: number): number {
    const lost = worker.counts?.size ?? 0
    const own = worker.counts === null ? [] : [worker.counts, endedWith('worker-lost', lost)]
    this.#past = addTotals([this.#past, ...own, endedUncounted('worker-lost', lostOnTheWay)])
    this.#pastTraffic = addTraffic([this.#pastTraffic, this.#traffic.get(worker) ?? addTraffic([])])
    this.#traffic.delete(worker)
    return lost + lostOnTheWay
  }
}
