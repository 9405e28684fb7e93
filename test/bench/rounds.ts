/** Takes turns: A B C, then B C A, and so on, so that nobody always follows the same neighbour. Pure but for `measure`. */
import type { Sample } from './report/compare.ts'

/** Samples by name in the given order of names, one for each round. */
export async function takeTurns<T extends { readonly name: string }>(
  contenders: readonly T[],
  rounds: number,
  measure: (contender: T, round: number) => Promise<Sample>,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round += 1) {
    const first = contenders.length === 0 ? 0 : round % contenders.length
    for (const contender of [...contenders.slice(first), ...contenders.slice(0, first)]) {
      samples.get(contender.name)?.push(await measure(contender, round))
    }
  }
  return samples
}
