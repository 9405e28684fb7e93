/**
 * What systemd tells a service by environment variables: where to report, how often to show a sign of life, and which
 * listening sockets it has opened. Composition layer. The variables are removed once read, so that no child takes them
 * for its own; nothing here is opened or used.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_watchdog_enabled.html
 */

/** The first file descriptor that is handed over: SD_LISTEN_FDS_START. */
const FIRST_FD = 3
/** The name of a socket that came without one, as sd_listen_fds_with_names(3) has it. */
const UNNAMED = 'unknown'
const VARIABLES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']

/** One file descriptor that was handed over, with its `FileDescriptorName=`. Several may have one name. */
export interface HandedOverSocket {
  readonly fd: number
  readonly name: string
}

/** All that systemd said; every field is empty for a process that it did not start. */
export interface SystemdEnvironment {
  /** Path of the datagram socket for reports, `@name` for an abstract one; `null`: nobody wants any. */
  readonly notifySocket: string | null
  /** The service is killed when it gives no sign of life for this long; `null`: nobody watches. */
  readonly watchdogMs: number | null
  readonly sockets: readonly HandedOverSocket[]
  /** Sockets were handed over, but to this other process; `null` when that is not so. */
  readonly socketsOfPid: number | null
}

/** What a process finds that was not started by systemd. */
export const NO_SYSTEMD: SystemdEnvironment = { notifySocket: null, watchdogMs: null, sockets: [], socketsOfPid: null }

/** Reads the variables for the process `pid` and removes them. What makes no sense counts as not there. */
export function takeSystemdEnvironment(
  environment: Record<string, string | undefined>,
  pid: number,
): SystemdEnvironment {
  const {
    NOTIFY_SOCKET: notifySocket,
    WATCHDOG_USEC: watchdogUsec,
    WATCHDOG_PID: watchdogPid,
    LISTEN_PID: listenPid,
    LISTEN_FDS: listenFds,
    LISTEN_FDNAMES: listenNames,
  } = environment
  for (const name of VARIABLES) delete environment[name]
  const watchdog = readCount(watchdogUsec)
  const isWatched = watchdog > 0 && (watchdogPid === undefined || readCount(watchdogPid) === pid)
  const fdCount = readCount(listenFds)
  const ownerPid = readCount(listenPid)
  const names = listenNames?.split(':') ?? []
  const sockets = Array.from({ length: ownerPid === pid ? fdCount : 0 }, (_, index) => ({
    fd: FIRST_FD + index,
    name: names[index] || UNNAMED,
  }))
  return {
    notifySocket: notifySocket || null,
    watchdogMs: isWatched ? watchdog / 1000 : null,
    sockets,
    socketsOfPid: fdCount > 0 && ownerPid > 0 && ownerPid !== pid ? ownerPid : null,
  }
}

/** A whole number as systemd writes it; anything else is 0. */
function readCount(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0
}
