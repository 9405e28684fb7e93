/** Makes an input that breaks a promise as short and as plain as it gets while it still does. Test support. */

/** Where to stop, small or not. */
export interface MinimizeLimits {
  readonly attemptsMax: number
  readonly msMax: number
}

/** `stillFails` is never asked about the input itself. */
export async function minimize(
  input: Buffer,
  stillFails: (candidate: Buffer) => Promise<boolean>,
  { attemptsMax, msMax }: MinimizeLimits,
): Promise<Buffer> {
  let best = input
  let attempts = 0
  const endsAt = performance.now() + msMax
  const accept = async (candidate: Buffer): Promise<boolean> => {
    if (attempts >= attemptsMax || performance.now() > endsAt) return false
    attempts += 1
    if (!(await stillFails(candidate))) return false
    best = candidate
    return true
  }

  for (let size = best.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < best.length; ) {
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)])
      if (!(await accept(shorter))) at += size
    }
  }
  // Then the plainest byte in every place.
  for (let at = 0; at < best.length; at += 1) {
    for (const plain of [0x00, 0x61]) {
      if (best[at] === plain) break
      const plainer = Buffer.from(best)
      plainer[at] = plain
      if (await accept(plainer)) break
    }
  }
  return best
}
