/** Where a command writes and what it may assume of it. Given to every command, so that tests can listen. */
import process from 'node:process'

export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Standard output is a terminal. */
  readonly isInteractive: boolean
  /** Width of that terminal in characters; `null`: break no lines. */
  readonly columns: number | null
  /** Colour may be used: a terminal, and NO_COLOR is not set. */
  readonly useColor: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** This process's own. */
export function processTerminal(): Terminal {
  const isInteractive = process.stdout.isTTY === true
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    isInteractive,
    columns: isInteractive && process.stdout.columns > 0 ? process.stdout.columns : null,
    useColor: isInteractive && !process.env['NO_COLOR'],
    environment: process.env,
  }
}
