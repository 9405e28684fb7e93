/** The floor of what Node can do, floor-relay.ts, in front of one server. Benchmark support. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { killTree, waitUntilGone } from '../../support/process-tree.ts'
import { reapOnExit } from '../../support/reaper.ts'
import type { Contender, Target } from './contender.ts'

/** As it is called in tables. */
export const FLOOR = 'Node, bare relay'

const PROGRAM = fileURLToPath(new URL('../floor-relay.ts', import.meta.url))

export interface Floor extends Contender {
  readonly close: () => Promise<void>
}

export async function startFloor(server: Target): Promise<Floor> {
  const child = fork(PROGRAM, [String(server.port)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const { pid } = child
  if (pid === undefined) throw new Error(`${FLOOR} could not be started`)
  const release = reapOnExit({ kind: 'process', pid })
  const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }]
  return {
    name: FLOOR,
    target: { host: '127.0.0.1', port },
    tls: null,
    pid,
    close: async () => {
      await waitUntilGone(killTree(pid))
      release()
    },
  }
}
