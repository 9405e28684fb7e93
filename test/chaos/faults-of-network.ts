/** Faults of the network of a chaos run: who does not hear whom, what is lost, late, or has no name. Test support. */
import { setTimeout as delay } from 'node:timers/promises'
import type { FaultMaker } from './fault-table.ts'
import { cutOff } from './faults-of-nodes.ts'
import { type HostName, NODES } from './hosts.ts'
import { between, type Cut, dropAt, letThrough, SlowLink } from './network-faults.ts'
import type { ChaosStage } from './stage.ts'

const LOST_SHARE = 0.3
const DELAY_MS = 40
const JITTER_MS = 120

function dropped(stage: ChaosStage, target: string, detail: string, cut: readonly Cut[]): ReturnType<FaultMaker> {
  return {
    target,
    detail,
    effect: { cut },
    begin: async () => {
      for (const [from, to] of cut) dropAt(stage.host(to), from, 1)
    },
    end: async () => {
      for (const [from, to] of cut) letThrough(stage.host(to), from, 1)
    },
  }
}

function others(primary: HostName): readonly HostName[] {
  return NODES.filter((name) => name !== primary)
}

export const NETWORK_FAULTS = {
  'primary-cut-from-nodes': (stage) => {
    const { primary } = stage
    return dropped(stage, primary, 'the proxies see it, no other node does', between([primary], others(primary)))
  },

  'primary-sends-nothing': (stage) => {
    const { primary } = stage
    const cut = others(primary).map((to): Cut => [primary, to])
    return dropped(stage, primary, 'no other node hears it, and it hears them', cut)
  },

  'primary-hears-nothing': (stage) => {
    const { primary } = stage
    const cut = others(primary).map((from): Cut => [from, primary])
    return dropped(stage, primary, 'it hears no other node, and they hear it', cut)
  },

  'split-in-two': (stage, { proxy }) => {
    const { primary } = stage
    const far = proxy === 'proxy1' ? 'proxy2' : 'proxy1'
    const cut = between([primary, proxy], [...others(primary), far])
    return dropped(stage, primary, `${primary} and ${proxy} on one side, all others on the other`, cut)
  },

  'proxy-cut-from-primary': (stage, { proxy }) =>
    dropped(stage, proxy, `from ${stage.primary}, both ways`, between([proxy], [stage.primary])),

  'proxy-cut-from-nodes': (stage, { proxy }) =>
    dropped(stage, proxy, 'from all nodes, both ways', between([proxy], NODES)),

  'proxy-hears-no-primary': (stage, { proxy }) => {
    const { primary } = stage
    return dropped(stage, proxy, `nothing comes from ${primary}, all gets there`, [[primary, proxy]])
  },

  'proxy-unheard-by-primary': (stage, { proxy }) => {
    const { primary } = stage
    return dropped(stage, proxy, `nothing gets to ${primary}, all comes from there`, [[proxy, primary]])
  },

  'proxy-unplugged': (stage, { proxy }) => ({
    target: proxy,
    detail: 'its link is down',
    effect: { cut: cutOff(proxy) },
    begin: async () => stage.setCable(proxy, false),
    end: async () => stage.setCable(proxy, true),
  }),

  'packets-lost': (stage, { proxy }) => {
    const { primary } = stage
    const pairs = between([proxy], [primary])
    return {
      target: proxy,
      detail: `${LOST_SHARE * 100} % of all packets to and from ${primary}`,
      effect: { impaired: [[proxy, primary]] },
      begin: async () => {
        for (const [from, to] of pairs) dropAt(stage.host(to), from, LOST_SHARE)
      },
      end: async () => {
        for (const [from, to] of pairs) letThrough(stage.host(to), from, LOST_SHARE)
      },
    }
  },

  'packets-late': (stage, { proxy }) => {
    let link: SlowLink | null = null
    return {
      target: proxy,
      detail: `by ${DELAY_MS} to ${DELAY_MS + JITTER_MS} ms, each way, to and from everybody`,
      effect: { impaired: [...NODES, 'clients' as const].map((other) => [proxy, other] as const) },
      begin: async () => {
        link = await SlowLink.put(stage.host(proxy), DELAY_MS, JITTER_MS)
      },
      end: async () => {
        await link?.close()
        // What the relay had was lost; it is sent again within so much.
        await delay(1_000)
      },
    }
  },

  'names-refused': (stage, { proxy }) => ({
    target: proxy,
    detail: 'the names of the nodes do not resolve: an error at once',
    effect: { nameless: [proxy] },
    begin: async () => stage.proxy(proxy).setNames('refused'),
    end: async () => stage.proxy(proxy).setNames('all'),
  }),

  'names-silent': (stage, { proxy }) => ({
    target: proxy,
    detail: 'the names of the nodes do not resolve: the name server is silent',
    effect: { nameless: [proxy] },
    begin: async () => stage.proxy(proxy).setNames('silent'),
    end: async () => stage.proxy(proxy).setNames('all'),
  }),
} satisfies Readonly<Record<string, FaultMaker>>
