/**
 * A number on the command line of one of our own tools. Test support. A word where a number is due must end the tool: as
 * a count it would mean "nothing to do", and nothing that was not looked for is found.
 */

/** A whole number from `min` on. Throws an error that names the option and what it got. */
export function readCount(option: string, text: string, min = 1): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= min) return count
  throw new Error(`--${option}: ${JSON.stringify(text)} is no whole number from ${min} on`)
}
