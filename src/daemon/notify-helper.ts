/**
 * Hands messages to the service manager by running `systemd-notify` for each. Composition layer. Node has no Unix
 * datagram sockets, so somebody else has to send; see docs/adr/0006. The program is run by a small shell that is started
 * once: forking the proxy itself stops all its sessions for some 20 ms when it has half a gigabyte, forking the shell
 * never does. What is said, and when, is not decided here.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import { createInterface } from 'node:readline'

/** Longer than systemd-notify itself waits for the manager to have read the message (5 s). */
const ANSWER_TIMEOUT_MS = 10_000

/**
 * Reads a message as lines, one assignment each, ended by an empty line; sends it; says how that went. It stays when a
 * stop signal reaches the whole control group, because STOPPING=1 is still to be sent, and ends with its input.
 */
const SCRIPT = [
  "trap '' HUP INT TERM",
  'set --',
  'while IFS= read -r line',
  'do if [ -n "$line" ]',
  'then set -- "$@" "$line"',
  'else systemd-notify "$@" </dev/null 2>&1',
  'echo "exit $?"',
  'set --',
  'fi',
  'done',
].join('; ')

/** Sends messages to the service manager, one at a time. */
export interface NotifySender {
  /**
   * `null` when the manager has the message, else the problem in words. Never rejects. The caller waits for one answer
   * before it sends the next message; assignments are `NAME=value` without line breaks.
   */
  readonly send: (assignments: readonly string[]) => Promise<string | null>
  /** Ends the helper; a message that is under way is given up. Idempotent. */
  readonly close: () => void
}

/** @param options.path the PATH on which `sh` and `systemd-notify` are looked for; that of a bare system when not given */
export function createNotifyHelper(options: {
  readonly socket: string
  readonly path: string | undefined
}): NotifySender {
  let helper: Helper | null = null
  let isClosed = false
  return {
    send: async (assignments) => {
      if (isClosed) return 'the helper is closed'
      if (helper === null || helper.isOver) helper = new Helper(options.socket, options.path)
      return await helper.send(assignments)
    },
    close: () => {
      isClosed = true
      helper?.end()
    },
  }
}

class Helper {
  readonly #child: ChildProcess
  #isOver = false
  #said: string[] = []
  #answer: ((problem: string | null) => void) | null = null

  constructor(socket: string, path = '/usr/local/bin:/usr/bin:/bin') {
    this.#child = spawn('/bin/sh', ['-c', SCRIPT], {
      env: { NOTIFY_SOCKET: socket, PATH: path, LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'ignore'],
      // A process group of its own: it can be ended with the program it runs, and Ctrl-C does not reach it.
      detached: true,
    })
    const { stdin, stdout } = this.#child
    // A helper that was killed is found out by its end; what was being written to it does not matter any more.
    stdin?.on('error', () => undefined)
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => this.#read(line))
    this.#child.once('error', (error) => this.#over(error.message))
    this.#child.once('close', () => this.#over('the helper that runs systemd-notify was ended'))
  }

  get isOver(): boolean {
    return this.#isOver
  }

  async send(assignments: readonly string[]): Promise<string | null> {
    const timer = setTimeout(() => {
      this.#over('systemd-notify does not come back')
      this.#kill()
    }, ANSWER_TIMEOUT_MS)
    const answered = new Promise<string | null>((resolve) => {
      this.#answer = resolve
    })
    this.#said = []
    this.#child.stdin?.write(`${assignments.join('\n')}\n\n`)
    const problem = await answered
    clearTimeout(timer)
    return problem
  }

  /** Lets it end by itself when it has nothing to do, and does not wait for a program that hangs. */
  end(): void {
    if (this.#answer === null) this.#child.stdin?.end()
    else this.#kill()
  }

  #read(line: string): void {
    const exit = /^exit (\d+)$/.exec(line)
    if (exit === null) {
      this.#said.push(line)
      return
    }
    this.#settle(exit[1] === '0' ? null : this.#said.join('; ') || `systemd-notify ended with exit code ${exit[1]}`)
  }

  #over(problem: string): void {
    this.#isOver = true
    this.#settle(problem)
  }

  #settle(problem: string | null): void {
    this.#answer?.(problem)
    this.#answer = null
  }

  #kill(): void {
    const { pid } = this.#child
    if (pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}
