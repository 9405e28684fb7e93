/**
 * What systemd does for a service, done by a few lines of Python, because Node has neither Unix datagram sockets nor
 * dup(2): receives the reports on a real notify socket, and hands over real listening sockets. Test support.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type WaitOptions, waitFor } from './condition.ts'
import { reapOnExit } from './reaper.ts'

/** `true`, or which of these programs is not there: `leftOut` of left-out.ts takes it as it is. */
export function systemdProgramsAvailable(...programs: readonly string[]): true | string {
  const missing = programs.filter((program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status !== 0)
  return missing.length === 0 ? true : `not installed: ${missing.join(', ')}`
}

const RECEIVER = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1].replace('@', '\\0', 1))
print('bound', flush=True)
while True:
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
`

/** One datagram: `{ READY: '1', STATUS: 'serving: …' }`. */
export type Report = Readonly<Record<string, string>>

/** The socket that the proxy reports to. The test that opened it calls `close`. */
export class NotifySocket {
  readonly path: string
  readonly #receiver: ChildProcess
  readonly #reports: Report[] = []
  readonly #release: () => void

  private constructor(path: string, receiver: ChildProcess) {
    this.path = path
    this.#receiver = receiver
    this.#release = receiver.pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid: receiver.pid })
  }

  /** `path`: that of a file that does not exist yet, or `@name` for an abstract socket. */
  static async open(path: string): Promise<NotifySocket> {
    const receiver = spawn('python3', ['-c', RECEIVER, path], { stdio: ['ignore', 'pipe', 'inherit'] })
    const socket = new NotifySocket(path, receiver)
    let isBound = false
    createInterface({ input: receiver.stdout }).on('line', (line) => {
      if (line.startsWith('"')) socket.#take(JSON.parse(line) as string)
      else isBound = true
    })
    await waitFor('the notify socket', () => isBound, { intervalMs: 5 })
    return socket
  }

  /** All reports so far, oldest first, without the barrier that follows each. */
  get reports(): readonly Report[] {
    return this.#reports
  }

  /** The first report from index `since` on that is accepted. */
  async waitFor(
    description: string,
    isWanted: (report: Report) => boolean,
    { since = 0, ...options }: { readonly since?: number } & WaitOptions<never> = {},
  ): Promise<Report> {
    const look = (): { readonly found: Report | undefined; readonly reports: readonly Report[] } => ({
      found: this.#reports.slice(since).find(isWanted),
      reports: this.#reports,
    })
    const { found } = await waitFor(`a report: ${description}`, look, {
      timeoutMs: options.timeoutMs ?? 20_000,
      intervalMs: 5,
      until: (seen) => seen.found !== undefined,
    })
    return found as Report
  }

  async close(): Promise<void> {
    if (this.#receiver.exitCode === null && this.#receiver.signalCode === null) {
      this.#receiver.kill('SIGKILL')
      await once(this.#receiver, 'close')
    }
    this.#release()
  }

  #take(datagram: string): void {
    const report = Object.fromEntries(datagram.split('\n').map((line) => line.split(/=(.*)/s, 2)))
    if (!('BARRIER' in report)) this.#reports.push(report)
  }
}

const ACTIVATOR = `
import fcntl, json, os, signal, socket, sys
task = json.loads(sys.argv[1])
def opened(spec):
    family = socket.AF_UNIX if 'path' in spec else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM if spec.get('datagram') else socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(spec['path'] if 'path' in spec else ('127.0.0.1', spec['port']))
    if not spec.get('datagram'): made.listen(64)
    return made
kept = [fcntl.fcntl(opened(spec).detach(), fcntl.F_DUPFD_CLOEXEC, 100) for spec in task['sockets']]
def become():
    for index, fd in enumerate(kept): os.dup2(fd, 3 + index)
    os.environ['LISTEN_FDS'] = str(len(kept))
    os.environ['LISTEN_FDNAMES'] = ':'.join(spec['name'] for spec in task['sockets'])
    os.environ['LISTEN_PID'] = str(task.get('pid') or os.getpid())
    os.execvp(sys.argv[2], sys.argv[2:])
child = None
for name in (signal.SIGTERM, signal.SIGHUP): signal.signal(name, lambda number, frame: os.kill(child, number))
for generation in range(task.get('restarts', 0)):
    child = os.fork()
    if child == 0: become()
    os.waitpid(child, 0)
for name in (signal.SIGTERM, signal.SIGHUP): signal.signal(name, signal.SIG_DFL)
become()
`

/** A socket to hand over: TCP on 127.0.0.1, or a Unix socket. Several may have one name. */
export type SocketSpec = { readonly name: string; readonly datagram?: boolean } & (
  | { readonly port: number }
  | { readonly path: string }
)

/**
 * The launcher that opens these sockets, hands them over, and becomes the proxy. With `restarts` it keeps its own copy
 * as systemd does, and starts the proxy so many times more after it has ended. `pid` goes into LISTEN_PID in place of
 * the right one.
 */
export function socketActivator(
  sockets: readonly SocketSpec[],
  options: { readonly pid?: number; readonly restarts?: number } = {},
): readonly string[] {
  return ['python3', '-c', ACTIVATOR, JSON.stringify({ sockets, ...options })]
}

/** The launcher that sets the watchdog for the process that it becomes, or for another one. */
export function watchedFor(timeoutMs: number, options: { readonly pid?: number } = {}): readonly string[] {
  const script = `WATCHDOG_USEC=${timeoutMs * 1000} WATCHDOG_PID=${options.pid ?? '$$'} exec "$@"`
  return ['sh', '-c', script, 'sh']
}
