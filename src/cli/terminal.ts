/** Where a command writes and what it may assume of it. Given to every command, so that tests can listen. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Standard output is a terminal. */
  readonly isInteractive: boolean
  /** Colour may be used: a terminal, and NO_COLOR is not set. */
  readonly useColor: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
}
