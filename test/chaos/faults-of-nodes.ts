/** Faults of PostgreSQL nodes and their hosts: killed, stopped, frozen, without power, switched over. Test support. */
import type { FaultMaker } from './fault-table.ts'
import { type DataNodeName, type HostName, NODES, PROXIES } from './hosts.ts'
import { between, type Cut } from './network-faults.ts'
import { switchOver } from './operator.ts'
import type { ChaosStage } from './stage.ts'

/** What nobody hears or says when the cable of `host` is out. */
export function cutOff(host: HostName): readonly Cut[] {
  const others = [...NODES, ...PROXIES, 'clients' as const].filter((other) => other !== host)
  return between([host], others)
}

function killed(stage: ChaosStage, target: DataNodeName): ReturnType<FaultMaker> {
  return {
    target,
    detail: 'SIGKILL to all its processes; started again by itself, and nobody told it anything',
    effect: { down: [target] },
    begin: () => stage.node(target).call('kill'),
    end: () => stage.node(target).call('start'),
  }
}

function frozen(stage: ChaosStage, target: DataNodeName): ReturnType<FaultMaker> {
  return {
    target,
    detail: 'SIGSTOP to all its processes',
    effect: { frozen: [target] },
    begin: () => stage.node(target).call('freeze'),
    end: () => stage.node(target).call('thaw'),
  }
}

function unplugged(stage: ChaosStage, target: DataNodeName): ReturnType<FaultMaker> {
  return {
    target,
    detail: 'its link is down',
    effect: { cut: cutOff(target) },
    begin: async () => stage.setCable(target, false),
    end: async () => stage.setCable(target, true),
  }
}

export const NODE_FAULTS = {
  'primary-killed': (stage) => killed(stage, stage.primary),
  'standby-killed': (stage, { standby }) => killed(stage, stage.standbys[standby]),
  'primary-frozen': (stage) => frozen(stage, stage.primary),
  'standby-frozen': (stage, { standby }) => frozen(stage, stage.standbys[standby]),
  'primary-unplugged': (stage) => unplugged(stage, stage.primary),
  'standby-unplugged': (stage, { standby }) => unplugged(stage, stage.standbys[standby]),

  'postmaster-killed': (stage) => {
    const target = stage.primary
    return {
      target,
      detail: 'SIGKILL to the postmaster alone, its repmgrd lives; started again by itself',
      effect: { down: [target] },
      begin: () => stage.node(target).call('killPostmasterOnly'),
      end: () => stage.node(target).call('start'),
    }
  },

  'primary-stopped': (stage) => {
    const target = stage.primary
    return {
      target,
      detail: 'shut down in order (fast), and started again',
      effect: { down: [target] },
      begin: () => stage.node(target).call('stop', 'fast'),
      end: () => stage.node(target).call('start'),
    }
  },

  'primary-power-off': (stage) => {
    const target = stage.primary
    return {
      target,
      detail: 'its link is down, then SIGKILL: no FIN, no RST; later it has power again and starts by itself',
      effect: { cut: cutOff(target), down: [target] },
      begin: async () => {
        stage.setCable(target, false)
        await stage.node(target).call('kill')
      },
      end: async () => {
        stage.setCable(target, true)
        await stage.node(target).call('start')
      },
    }
  },

  switchover: (stage, { standby }) => {
    const [from, to] = [stage.primary, stage.standbys[standby]]
    return {
      target: to,
      detail: `${from} is stopped, ${to} promoted, ${from} follows it`,
      effect: {},
      isBrief: true,
      begin: () => switchOver(stage, from, to),
      end: async () => {},
    }
  },
} satisfies Readonly<Record<string, FaultMaker>>
