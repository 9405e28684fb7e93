/** Small pieces of the sentences that decisions are explained with. */

/** `a`, `a and b`, `a, b and c`; `nobody` for none. */
export function addNames(names: readonly string[]): string {
  if (names.length === 0) return 'nobody'
  if (names.length === 1) return names[0] ?? ''
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

/** `a`, `a or b`, `a, b or c`; `nobody` for none. */
export function chooseNames(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? 'nobody'
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}
