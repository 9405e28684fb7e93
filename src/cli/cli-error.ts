/**
 * A command that cannot go on, in two lines for people: what is wrong, and what to do about it. Command line layer;
 * main.ts prints it. Anything else that is thrown is a bug and is not caught.
 */
import type { ExitCode } from './exit-codes.ts'

export class CliError extends Error {
  override readonly name = 'CliError'
  /** One line, or several when there are statements to run. */
  readonly remedy: string
  readonly exitCode: ExitCode

  /** Neither text ends with a newline or holds a secret. */
  constructor(message: string, remedy: string, exitCode: ExitCode, options?: ErrorOptions) {
    super(message, options)
    this.remedy = remedy
    this.exitCode = exitCode
  }
}

/** The error as it is printed, with a newline at the end. */
export function formatCliError({ message, remedy }: CliError): string {
  return `pgha-proxy: ${message}\n${remedy.replace(/^/gm, '  ')}\n`
}
