/** Why the daemon cannot start or reload, in words that name the remedy. Composition layer. */

/** The daemon cannot start: what, and what to do about it. */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly hint: string

  constructor(message: string, hint: string, cause: unknown) {
    super(message, { cause })
    this.hint = hint
  }
}

/** What to do about a failed `listen`. */
export function listenHint(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return 'another program listens there (the old proxy?): stop it, or choose another address'
    case 'EACCES':
      return 'ports below 1024 and protected folders need a privilege: choose another address or grant it'
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address'
    default:
      return 'check the address in the configuration'
  }
}
