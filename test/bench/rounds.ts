/**
 * Takes turns: A B C, then B C A, and so on, so that nobody always follows the same neighbour. A round that was disturbed is
 * begun anew, as long as there have not been more of those than rounds are wanted.
 */
import type { Sample } from './report/compare.ts'
import { processorTimes, stolenShare } from './stolen-time.ts'

/** Of the processors' time that was wanted: with more of it taken by other machines, what was measured is their doing. */
export const STOLEN_SHARE_MAX = 0.03

/** Called as a round begins; what it returns, as it ends: whether it was disturbed. */
export type WatchRound = () => () => boolean

const watchStolenTime: WatchRound = () => {
  const before = processorTimes()
  return () => stolenShare(before, processorTimes()) > STOLEN_SHARE_MAX
}

/** Samples by name in the given order of names, one for each round that counts. */
export async function takeTurns<T extends { readonly name: string }>(
  contenders: readonly T[],
  rounds: number,
  measure: (contender: T, round: number) => Promise<Sample>,
  watchRound: WatchRound = watchStolenTime,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]))
  let repeatCount = 0
  for (let round = 0; round < rounds; ) {
    const first = contenders.length === 0 ? 0 : round % contenders.length
    const wasDisturbed = watchRound()
    const taken: [string, Sample][] = []
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)])
      taken.push([contender.name, await measure(contender, round)])
    if (wasDisturbed() && repeatCount < rounds) {
      repeatCount += 1
      continue
    }
    for (const [name, sample] of taken) samples.get(name)?.push(sample)
    round += 1
  }
  return samples
}
