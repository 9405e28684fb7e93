/**
 * Memory of a proxy for each of many idle sessions: fresh, and after each has moved 1 MB. Against an instant server, as
 * PostgreSQL has a process for each. Benchmark.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { descriptorBudget } from '../../../src/session/descriptor-budget.ts'
import { APPLICATION_LOGIN } from '../../support/roles.ts'
import { makeBenchFolder } from '../bench-folder.ts'
import { installedPeers } from '../bench-stage.ts'
import type { Contender } from '../contenders/contender.ts'
import { OWN, startOwnProxy } from '../contenders/own-proxy.ts'
import { startPeer } from '../contenders/peers.ts'
import { IdleClients } from '../instant/idle-clients.ts'
import { InstantServer } from '../instant/instant-server-process.ts'
import { memoryKiB, openFilesMax } from '../process-usage.ts'
import { showNumber } from '../report/compare.ts'
import type { Workload } from '../workload.ts'

const SESSIONS = { full: 10_000, quick: 200 }
const MOVED_BYTES = 1_000_000
/** Opened and closed before the first look: what is made once for all is not a session's. */
const WARM_UP = 100
const CALM_MS = { full: 3_000, quick: 500 }

interface IdleFigures {
  readonly name: string
  readonly baseKiB: number
  readonly freshKiB: number
  readonly movedKiB: number
}

type ClosableContender = Contender & { readonly close: () => Promise<void> }

export const idle: Workload = {
  id: 'idle',
  run: async ({ options, report }) => {
    const wanted = options.isQuick ? SESSIONS.quick : SESSIONS.full
    const count = Math.min(wanted, descriptorBudget(openFilesMax()).sessionsMax - WARM_UP)
    const sessionsMax = count + 10
    const figures: IdleFigures[] = []
    const folder = makeBenchFolder('idle')
    try {
      for (const name of [OWN, ...installedPeers().filter((peer) => peer !== 'HAProxy 256 KiB')] as const) {
        const server = await InstantServer.start()
        const target = { host: '127.0.0.1', port: server.port }
        const own = join(folder.path, name)
        mkdirSync(own)
        const start = async (): Promise<ClosableContender> =>
          name === OWN
            ? await startOwnProxy({ folder: own, cluster: server.cluster, sessionsMax })
            : await startPeer(name, { folder: folder.path, server: target, sessionsMax, user: APPLICATION_LOGIN.user })
        try {
          const contender = await start()
          try {
            const measured = await measure(contender, count, options.isQuick ? CALM_MS.quick : CALM_MS.full)
            report(`${name}: ${measured.freshKiB.toFixed(1)} KiB fresh, ${measured.movedKiB.toFixed(1)} KiB after 1 MB`)
            figures.push(measured)
          } finally {
            await contender.close()
          }
        } finally {
          await server.close()
        }
      }
    } finally {
      folder.remove()
    }
    const own = figures.find(({ name }) => name === OWN)
    const shown = (value: number): string => showNumber(value, 1)
    const fewer = count < wanted ? `, as no more files may be open here than ${openFilesMax()}` : ''
    const what = `memory per idle session, ${showNumber(count, 0)} sessions:`
    return {
      id: 'idle',
      title: 'Memory of idle sessions',
      notes: [
        `${showNumber(count, 0)} sessions${fewer}, logged in through the proxy to a server that is not PostgreSQL.`,
        'Growth of the memory of the proxy (PSS without files) for each session: logged in, and idle again after',
        'one result of 1 MB. Measured once, when the memory stands still. What the kernel needs for sockets is not in it.',
      ],
      tables: [
        {
          title: '',
          columns: ['', 'KiB each, fresh', 'KiB each, after 1 MB', 'without sessions, MiB'],
          rows: figures.map(({ name, baseKiB, freshKiB, movedKiB }) => [
            name,
            shown(freshKiB),
            shown(movedKiB),
            shown(baseKiB / 1024),
          ]),
        },
      ],
      targets: [
        { what: `${what} fresh`, limit: { kind: 'at-most', value: 14 }, unit: 'KiB', value: own?.freshKiB ?? null },
        {
          what: `${what} after 1 MB each`,
          limit: { kind: 'at-most', value: 24 },
          unit: 'KiB',
          value: own?.movedKiB ?? null,
        },
      ],
    }
  },
}

async function measure({ name, target, pid }: Contender, count: number, calmMs: number): Promise<IdleFigures> {
  if (pid === null) throw new Error(`${name} has no process`)
  const clients = new IdleClients()
  try {
    const login = { user: APPLICATION_LOGIN.user, database: APPLICATION_LOGIN.database }
    await clients.open(target, WARM_UP, login)
    clients.close()
    const baseKiB = await memoryAtRest(pid, calmMs)
    await clients.open(target, count, login)
    const freshKiB = (await memoryAtRest(pid, calmMs)) - baseKiB
    await clients.moveEach(MOVED_BYTES)
    const movedKiB = (await memoryAtRest(pid, calmMs)) - baseKiB
    return { name, baseKiB, freshKiB: freshKiB / count, movedKiB: movedKiB / count }
  } finally {
    clients.close()
  }
}

/** When it has neither grown nor shrunk by a hundredth for `calmMs`; after half a minute as it is then. */
async function memoryAtRest(pid: number, calmMs: number): Promise<number> {
  let [kib, calmSince] = [memoryKiB(pid), performance.now()]
  const giveUpAt = performance.now() + 30_000
  while (performance.now() - calmSince < calmMs && performance.now() < giveUpAt) {
    await delay(250)
    const now = memoryKiB(pid)
    if (Math.abs(now - kib) > kib / 100) [kib, calmSince] = [now, performance.now()]
  }
  return memoryKiB(pid)
}
