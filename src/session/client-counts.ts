/** How many sessions each client address has. Pure session layer; it keeps no address without a session. */
export class ClientCounts {
  readonly #counts = new Map<string, number>()

  count(client: string): number {
    return this.#counts.get(client) ?? 0
  }

  add(client: string): void {
    this.#counts.set(client, this.count(client) + 1)
  }

  /** One less. Call once for each `add`. */
  remove(client: string): void {
    const left = this.count(client) - 1
    if (left > 0) this.#counts.set(client, left)
    else this.#counts.delete(client)
  }
}
