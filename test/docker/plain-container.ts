/**
 * One container of the proxy's image, started with `docker run` and the flags that people type, and looked at from
 * outside. Test support: for what the image promises by itself, without a cluster.
 */
import { waitFor } from '../support/condition.ts'
import { containerLogs, docker, LABEL_OPTION } from './engine.ts'
import { IMAGES } from './images.ts'

/** Everything a cautious operator takes away. */
const HARDENED = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'] as const

/** What `docker inspect` says, as far as tests ask. */
export interface Inspected {
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly Health?: { readonly Status: string } }
}

export class PlainContainer {
  readonly id: string

  private constructor(id: string) {
    this.id = id
  }

  /** `docker run --detach`, hardened, with these flags, and with these arguments for the program. */
  static async start(flags: readonly string[], args: readonly string[] = []): Promise<PlainContainer> {
    const id = await docker('run', '--detach', ...LABEL_OPTION, ...HARDENED, ...flags, IMAGES.proxy, ...args)
    return new PlainContainer(id.trim())
  }

  async inspect(): Promise<Inspected> {
    const [inspected] = JSON.parse(await docker('inspect', this.id)) as Inspected[]
    if (inspected === undefined) throw new Error(`docker inspect knows no ${this.id}`)
    return inspected
  }

  /** Standard output of a command inside; a Node script when it is one argument. */
  async exec(...command: readonly string[]): Promise<string> {
    return (await docker('exec', this.id, ...command)).trim()
  }

  async signal(name: string): Promise<void> {
    await docker('kill', '--signal', name, this.id)
  }

  /** Both streams, every line after its time. */
  async logs(): Promise<string> {
    return await containerLogs(this.id)
  }

  async waitForLog(text: string): Promise<void> {
    await this.#waitFor(`"${text}" in the log`, async () => (await this.logs()).includes(text))
  }

  async waitForHealth(status: 'healthy' | 'unhealthy'): Promise<void> {
    await this.#waitFor(
      `the container to be ${status}`,
      async () => (await this.inspect()).State.Health?.Status === status,
    )
  }

  /** Its exit code, when it has ended. */
  async waitForExit(): Promise<number> {
    await this.#waitFor('the container to end', async () => (await this.inspect()).State.Status === 'exited')
    return (await this.inspect()).State.ExitCode
  }

  /** The port of the host that leads to this one. It must have been published. */
  async hostPort(port: number): Promise<number> {
    return Number((await docker('port', this.id, String(port))).trim().split(':').at(-1))
  }

  /** With the volumes that have no name. */
  async remove(): Promise<void> {
    await docker('rm', '--force', '--volumes', this.id)
  }

  async #waitFor(description: string, look: () => Promise<boolean>): Promise<void> {
    await waitFor(description, look, { timeoutMs: 30_000, intervalMs: 50 }).catch(async (error: unknown) => {
      throw new Error(`${(error as Error).message}\n${await this.logs()}`, { cause: error })
    })
  }
}
