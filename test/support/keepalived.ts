/** A real keepalived on a host of the Ethernet, with the example configuration of this project. Test support. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { NetworkHost } from './network-host.ts'
import { killTree } from './process-tree.ts'
import { reapOnExit } from './reaper.ts'

/** What people copy. */
export const KEEPALIVED_EXAMPLE = join(import.meta.dirname, '..', '..', 'config', 'keepalived.conf.example')
const EXAMPLE_ADDRESS = '10.0.0.100/24'

/** `true`, or what is missing; for `leftOut`. */
export function keepalivedAvailable(): true | string {
  if (spawnSync('keepalived', ['--version']).error !== undefined) return 'install the package keepalived'
  return spawnSync('curl', ['--version']).error === undefined ? true : 'install the package curl'
}

/**
 * What `keepalived --config-test` says of a file, for a host that has its interface; nothing when all is well. Its exit
 * code tells nothing: up to 2.2.7 it ends itself with SIGTERM when scripts are checked.
 */
export function testConfig(host: NetworkHost, file: string): string {
  const [program = '', ...args] = [...host.launcher, 'keepalived', '--config-test', '--use-file', file]
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return `${stdout}${stderr}`
}

/** Writes the example, with no more changed than the address that it moves. */
export function writeExample(file: string, virtualAddress: string): void {
  const example = readFileSync(KEEPALIVED_EXAMPLE, 'utf8')
  if (!example.includes(EXAMPLE_ADDRESS)) throw new Error(`${EXAMPLE_ADDRESS} is not in the example any more`)
  writeFileSync(file, example.replace(EXAMPLE_ADDRESS, `${virtualAddress}/24`), { mode: 0o644 })
}

/** Whoever starts it ends it. */
export class Keepalived {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #lines: string[] = []

  /** The example, with no more changed than the address that it moves. `folder` is for its files. */
  constructor(host: NetworkHost, folder: string, virtualAddress: string) {
    const file = join(folder, 'keepalived.conf')
    writeExample(file, virtualAddress)
    const pidFiles = ['keepalived.pid', 'vrrp.pid'].map((name) => join(folder, name))
    // Of one that was killed, in which it might see a process that lives.
    for (const each of pidFiles) rmSync(each, { force: true })
    const files = [`--use-file=${file}`, `--pid=${pidFiles[0]}`, `--vrrp_pid=${pidFiles[1]}`]
    const options = ['--dont-fork', '--log-console', '--log-detail', '--vrrp']
    const [program = '', ...args] = [...host.launcher, 'keepalived', ...options, ...files]
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const { pid } = this.#child
    const release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#lines.push(line))
    }
    this.#ended = new Promise((resolve) => {
      const end = () => {
        release()
        resolve()
      }
      this.#child.once('error', end)
      this.#child.once('close', end)
    })
  }

  /** `BACKUP`, `MASTER` or `FAULT`, as it said last; `null` before that. */
  get state(): string | null {
    const last = this.#lines.findLast((line) => line.includes(' STATE'))
    return /Entering (\w+) STATE/.exec(last ?? '')?.[1] ?? null
  }

  /** Every line so far. */
  get log(): readonly string[] {
    return this.#lines
  }

  /** As a power cut: the other one is not told, the address stays in the kernel. May be called again. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child
    if (pid !== undefined && exitCode === null && signalCode === null) killTree(pid)
    await this.#ended
  }
}
