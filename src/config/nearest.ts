/** "Did you mean ...": the known word nearest to a mistyped one. Pure. */

/** Edits between two words: insert, delete, replace one letter, or swap two neighbours (optimal string alignment). */
export function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      let best = Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1)
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        best = Math.min(best, (beforePrevious[column - 2] ?? 0) + 1)
      }
      current.push(best)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[to.length] ?? 0
}

/**
 * The known word nearest to `word`, or `null` when none is near: more than a third of the letters would have to change.
 * Case and the difference between `-` and `_` do not count. The first of equally near words wins.
 */
export function nearestWord(word: string, known: readonly string[]): string | null {
  const normal = (text: string) => text.toLowerCase().replaceAll('-', '_').slice(0, 64)
  let best: { word: string; distance: number } | null = null
  for (const candidate of known) {
    const distance = editDistance(normal(word), normal(candidate))
    if (distance <= Math.ceil(candidate.length / 3) && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) {
      best = { word: candidate, distance }
    }
  }
  return best?.word ?? null
}
