/** Faults of the proxies themselves and of their hosts: clock, disk, memory, power, restarts, upgrade. Test support. */
import { setTimeout as delay } from 'node:timers/promises'
import type { PlannedFault } from './fault.ts'
import type { FaultMaker } from './fault-table.ts'
import { cutOff } from './faults-of-nodes.ts'
import { WORKERS, WORKERS_PROXY } from './hosts.ts'
import { memoryShortageAvailable } from './memory-shortage.ts'
import type { ChaosStage } from './stage.ts'

const byKernel = memoryShortageAvailable()
const STEP_SECONDS = 5_400

function clockStep(stage: ChaosStage, { proxy }: PlannedFault, seconds: number): ReturnType<FaultMaker> {
  return {
    target: proxy,
    detail: `its wall clock jumps by ${seconds} s, and back`,
    effect: { stepped: [proxy] },
    begin: async () => stage.proxy(proxy).stepClock(seconds),
    end: async () => stage.proxy(proxy).stepClock(0),
  }
}

/** Starts it unless it runs, and waits until it takes clients, so that the fault lasts as long as its effect. */
async function startAgain(stage: ChaosStage, { proxy }: PlannedFault): Promise<void> {
  await stage.proxy(proxy).startAndListen()
}

export const PROXY_FAULTS = {
  'clock-ahead': (stage, planned) => clockStep(stage, planned, STEP_SECONDS),
  'clock-back': (stage, planned) => clockStep(stage, planned, -STEP_SECONDS),

  'proxy-frozen': (stage, { proxy }) => ({
    target: proxy,
    detail: 'SIGSTOP: for it, no time passes',
    effect: { frozen: [proxy] },
    begin: () => stage.proxy(proxy).freeze(),
    end: async () => stage.proxy(proxy).thaw(),
  }),

  'proxy-disk-full': (stage, { proxy }) => ({
    target: proxy,
    detail: 'its state directory is full to the last byte',
    effect: { diskFull: [proxy] },
    begin: async () => stage.proxy(proxy).fillDisk(true),
    end: async () => stage.proxy(proxy).fillDisk(false),
  }),

  'proxy-out-of-memory': (stage, planned) => ({
    target: planned.proxy,
    detail: `killed for want of memory, and started again after 1 s${byKernel === true ? '' : ` (${byKernel})`}`,
    effect: { down: [planned.proxy], sessionsLost: [planned.proxy] },
    begin: async () => {
      await stage.proxy(planned.proxy).killForMemory()
      await delay(1_000)
    },
    isBrief: true,
    end: () => startAgain(stage, planned),
  }),

  'proxy-power-off': (stage, planned) => ({
    target: planned.proxy,
    detail: 'its link is down, then SIGKILL; later it has power again',
    effect: { cut: cutOff(planned.proxy), down: [planned.proxy], sessionsLost: [planned.proxy] },
    begin: async () => {
      stage.setCable(planned.proxy, false)
      await stage.proxy(planned.proxy).kill()
    },
    end: async () => {
      stage.setCable(planned.proxy, true)
      await startAgain(stage, planned)
    },
  }),

  'proxy-restarted': (stage, planned) => ({
    target: planned.proxy,
    detail: 'SIGTERM, a second one after 1 s, and started again',
    effect: { down: [planned.proxy], sessionsLost: [planned.proxy] },
    begin: async () => {
      await stage.proxy(planned.proxy).stop()
    },
    isBrief: true,
    end: () => startAgain(stage, planned),
  }),

  'proxy-forgets': (stage, planned) => ({
    target: planned.proxy,
    detail: 'SIGKILL, its state directory is emptied, and it is started again: a cold start',
    effect: { down: [planned.proxy], sessionsLost: [planned.proxy], forgets: [planned.proxy] },
    begin: async () => {
      await stage.proxy(planned.proxy).kill()
      stage.proxy(planned.proxy).forget()
    },
    isBrief: true,
    end: () => startAgain(stage, planned),
  }),

  'proxy-upgraded': (stage, { proxy }) => ({
    target: proxy,
    detail: 'SIGUSR2: a successor takes over, sessions stay',
    effect: {},
    begin: () => stage.proxy(proxy).upgrade(),
    isBrief: true,
    end: async () => {},
  }),

  'worker-killed': (stage) => ({
    target: WORKERS_PROXY,
    detail: `SIGKILL to one of its ${WORKERS} workers`,
    effect: { sessionsLost: [WORKERS_PROXY] },
    begin: () => stage.proxy(WORKERS_PROXY).killWorker(),
    isBrief: true,
    end: async () => {},
  }),

  'worker-frozen': (stage) => ({
    target: WORKERS_PROXY,
    detail: `SIGSTOP to one of its ${WORKERS} workers: nobody fences its sessions`,
    // It is killed when it does not answer, and at once when the primary changes.
    effect: { sessionsLost: [WORKERS_PROXY] },
    begin: async () => stage.proxy(WORKERS_PROXY).freezeWorker(),
    end: async () => stage.proxy(WORKERS_PROXY).thawWorker(),
  }),
} satisfies Readonly<Record<string, FaultMaker>>
