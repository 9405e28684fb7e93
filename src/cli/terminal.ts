/** Where a command writes and what it may assume of it. Given to every command, so that tests can listen. */
import process from 'node:process'

export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Standard output is a terminal. */
  readonly isInteractive: boolean
  /** Width of that terminal in characters; `null`: break no lines. */
  readonly columns: number | null
  /** Height of that terminal in lines; absent or `null`: not known. */
  readonly rows?: number | null
  /** Colour may be used: a terminal, and NO_COLOR is not set. */
  readonly useColor: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
  /**
   * Hands over each key as it is pressed, Ctrl-C included, until the returned function is called. Absent: nobody types.
   */
  readonly onKeys?: (listener: (keys: string) => void) => () => void
}

/** This process's own. */
export function processTerminal(): Terminal {
  const isInteractive = process.stdout.isTTY === true
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    isInteractive,
    // Asked anew each time: windows change their size.
    get columns() {
      return isInteractive && process.stdout.columns > 0 ? process.stdout.columns : null
    },
    get rows() {
      return isInteractive && process.stdout.rows > 0 ? process.stdout.rows : null
    },
    useColor: isInteractive && !process.env['NO_COLOR'],
    environment: process.env,
    ...(process.stdin.isTTY ? { onKeys: readKeys } : {}),
  }
}

function readKeys(listener: (keys: string) => void): () => void {
  const { stdin } = process
  const onData = (keys: Buffer): void => listener(keys.toString('latin1'))
  stdin.setRawMode(true)
  stdin.on('data', onData)
  return () => {
    stdin.off('data', onData)
    stdin.setRawMode(false)
    stdin.pause()
  }
}
