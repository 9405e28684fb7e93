/** Breaks sentences at spaces so that they fit a terminal. Pure. */

/** Below this a sentence is a column of words: let the terminal break it instead. */
const WIDTH_MIN = 40

/**
 * `text` (no escape codes, no newlines) as lines that fit `columns` characters behind `indent`. The first comes without it:
 * something as wide stands there. `columns` null: one line. A longer word keeps a line of its own.
 */
export function wrap(text: string, columns: number | null, indent: string): string[] {
  const width = columns === null ? Number.POSITIVE_INFINITY : columns - indent.length
  if (width < WIDTH_MIN) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line].map((each, index) => (index === 0 ? each : `${indent}${each}`))
}
