/** pgbench's log of single transactions. Pure. */

/** What is not counted: clients connect, caches fill. */
const WARM_UP_SECONDS = 1

/**
 * Latencies in milliseconds, those of the first second left out. With `-R` they count from the scheduled start.
 * Lines: client, transaction, microseconds, script, epoch seconds, microseconds of that, lag. Throws on any other line,
 * as failed transactions have.
 */
export function latenciesOf(log: string): readonly number[] {
  const lines = log.trimEnd().split('\n')
  const read = lines.map((line) => {
    const [, , us, , seconds, micros] = line.split(' ').map(Number)
    if (us === undefined || seconds === undefined || micros === undefined || !Number.isFinite(us)) {
      throw new Error(`not a transaction: ${line}`)
    }
    return { ms: us / 1_000, at: seconds + micros / 1e6 }
  })
  const startAt = Math.min(...read.map(({ at, ms }) => at - ms / 1_000)) + WARM_UP_SECONDS
  return read.filter(({ at }) => at >= startAt).map(({ ms }) => ms)
}
