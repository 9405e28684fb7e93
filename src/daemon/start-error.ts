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

/** What is wrong with the sockets that systemd should have handed over for `listeners[index]`, `address: fd:name`. */
export type HandoverFault = { readonly index: number; readonly name: string } & (
  | { readonly kind: 'not-passed'; readonly names: readonly string[] }
  | { readonly kind: 'other-process'; readonly pid: number }
  | { readonly kind: 'no-stream-listener'; readonly error: unknown }
)

/** Says where in the configuration, what is wrong, and what to do in the unit file. */
export function handoverProblem(fault: HandoverFault): StartError {
  const { index, name } = fault
  const place = `listeners[${index}].address: fd:${name}`
  switch (fault.kind) {
    case 'not-passed':
      return fault.names.length === 0
        ? new StartError(
            `${place}: no socket was handed over at all`,
            `start pgha-proxy by systemd with a .socket unit that has FileDescriptorName=${name}, or write host:port`,
            null,
          )
        : new StartError(
            `${place}: no socket of this name was handed over, only ${fault.names.join(', ')}`,
            `set FileDescriptorName=${name} in the .socket unit, or use one of those names`,
            null,
          )
    case 'other-process':
      return new StartError(
        `${place}: systemd has handed its sockets over to process ${fault.pid}, not to this one`,
        'let ExecStart= run pgha-proxy itself: not by way of npm, sudo, or a shell without exec',
        null,
      )
    case 'no-stream-listener':
      return new StartError(
        `${place}: what was handed over is no listening stream socket (${(fault.error as Error).message})`,
        'use ListenStream= and Accept=no in the .socket unit',
        fault.error,
      )
    default: {
      const unhandled: never = fault
      return unhandled
    }
  }
}
