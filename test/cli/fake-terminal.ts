/** A terminal that remembers what it was told. Test support. */
import type { Terminal } from '../../src/cli/terminal.ts'

export interface FakeTerminal extends Terminal {
  readonly stdout: () => string
  readonly stderr: () => string
}

/** Not interactive, no colour, an empty environment, unless told otherwise. `onOut` hears every text at once. */
export function fakeTerminal(
  options: Partial<Omit<Terminal, 'out' | 'err'>> & { readonly onOut?: (text: string) => void } = {},
): FakeTerminal {
  const { onOut = () => {}, ...rest } = options
  let stdout = ''
  let stderr = ''
  return {
    isInteractive: false,
    columns: null,
    useColor: false,
    environment: {},
    ...rest,
    out: (text) => {
      stdout += text
      onOut(text)
    },
    err: (text) => {
      stderr += text
    },
    stdout: () => stdout,
    stderr: () => stderr,
  }
}
