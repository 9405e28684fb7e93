/**
 * Text that others have written, made fit for a terminal. Pure. Node's `stripVTControlCharacters` takes minutes over a
 * few hundred kilobytes of sequences that never end; this takes one look at each character.
 */

/** CSI, then OSC with or without its end, then whatever else moves, hides or turns round: also direction marks. */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is about.
  /(?:\u001b\[|\u009b)[0-9;:<=>?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|([\p{Cc}\p{Cf}\u2028\u2029])/gu

/** Without escape sequences; each other control character is a space: a node's name must not move the cursor. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (_, character: string | undefined) => (character === undefined ? '' : ' '))
}
