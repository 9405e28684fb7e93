/** How many sessions each client address has in all workers together, and in which. Pure. */
import { ClientCounts } from '../session/client-counts.ts'

export class Places {
  readonly #all = new ClientCounts()
  readonly #byWorker = new Map<number, Map<string, number>>()

  /** True when there was one left for this address; then it is taken. */
  take(worker: number, client: string, placesMax: number): boolean {
    if (this.#all.count(client) >= placesMax) return false
    this.#all.add(client)
    const own = this.#byWorker.get(worker) ?? new Map<string, number>()
    this.#byWorker.set(worker, own.set(client, (own.get(client) ?? 0) + 1))
    return true
  }

  /** One that was taken by this worker is free again. */
  leave(worker: number, client: string): void {
    const own = this.#byWorker.get(worker)
    const count = own?.get(client)
    if (own === undefined || count === undefined) return
    this.#all.remove(client)
    if (count > 1) own.set(client, count - 1)
    else own.delete(client)
  }

  /** The worker is gone. */
  leaveAll(worker: number): void {
    for (const [client, count] of this.#byWorker.get(worker) ?? [])
      for (let i = 0; i < count; i += 1) this.#all.remove(client)
    this.#byWorker.delete(worker)
  }
}
