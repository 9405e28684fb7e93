/** The stage's end of a host agent: a PostgreSQL node on a host of its own, and calls to it. Test support. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { NetworkHost } from '../support/network-host.ts'
import type { AgentAnswer, AgentCall, AgentSetup, NodeHost, NodeHostMethod, Upstream } from './host-agent.ts'
import type { NodeName } from './hosts.ts'

const AGENT = join(import.meta.dirname, 'host-agent.ts')

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** A node with its host. Whoever opened it closes it. */
export class StageNode {
  readonly name: NodeName
  readonly host: NetworkHost
  readonly setup: AgentSetup
  readonly #agent: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  #lastId = 0

  private constructor(name: NodeName, host: NetworkHost, setup: AgentSetup) {
    this.name = name
    this.host = host
    this.setup = setup
    const [program = '', ...args] = [...host.launcher, process.execPath, AGENT, JSON.stringify(setup)]
    this.#agent = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#agent.on('message', (answer: AgentAnswer) => this.#take(answer))
    this.#ended = new Promise((resolve) => {
      // Not `close`, which a child that was disconnected does not always tell.
      this.#agent.once('exit', () => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`the agent of ${name} has ended`))
        resolve()
      })
    })
  }

  /** Makes the host and the node's folder; starts no server. */
  static async open(name: NodeName, setup: AgentSetup): Promise<StageNode> {
    const host = await NetworkHost.plugIn(name, `${setup.address}/24`)
    const node = new StageNode(name, host, setup)
    await node.call('state')
    return node
  }

  get upstream(): Upstream {
    const { nodeId, address, port } = this.setup
    return { nodeId, address, port }
  }

  /** Where the Unix socket is, which no cut of the network reaches. */
  get socketFolder(): string {
    return join(this.setup.parentFolder, this.name)
  }

  /** Has the host do it, and gives what it answers. */
  async call<M extends NodeHostMethod>(
    method: M,
    ...args: Parameters<NodeHost[M]>
  ): Promise<Awaited<ReturnType<NodeHost[M]>>> {
    this.#lastId += 1
    const call: AgentCall = { id: this.#lastId, method, args }
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.set(call.id, { resolve, reject }))
    this.#agent.send(call)
    return (await answered.catch((error: unknown) => {
      throw new Error(`${this.name}, ${method}: ${(error as Error).message}`, { cause: error })
    })) as Awaited<ReturnType<NodeHost[M]>>
  }

  /** Kills what runs on it, and gives up the host. */
  async close(): Promise<void> {
    await this.call('kill').catch(() => {})
    this.#agent.disconnect()
    await this.#ended
    await this.host.close()
  }

  #take(answer: AgentAnswer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if (answer.kind === 'done') waiting?.resolve(answer.value)
    else waiting?.reject(new Error(answer.message))
  }
}
