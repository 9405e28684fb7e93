/** Small pieces of the sentences that decisions are explained with. */

/** `a`, `a and b`, `a, b and c`; `nobody` for none. */
export function addNames(names: readonly string[]): string {
  if (names.length === 0) return 'nobody'
  if (names.length === 1) return names[0] ?? ''
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
