/** Makes one fault of a plan happen. Test support. */
import type { Random } from '../fuzz/random.ts'
import type { Fault, Target } from './plan.ts'
import type { SimNode } from './sim-node.ts'
import type { SimProxy } from './sim-proxy.ts'
import type { SimWorld } from './simulation.ts'

/** What came of it in a few words, `null` when there was nobody whom it could happen to. */
export function applyFault(fault: Fault, world: SimWorld, random: Random): string | null {
  const proxy = world.proxies[fault.proxy ?? 0]
  if (proxy === undefined) return null
  if (fault.target === undefined) return applyToProxy(fault, proxy, random)
  const node = findTarget(fault.target, world)
  if (node === null) return null
  return applyToNode(fault, node, world, proxy)
}

function findTarget(target: Target, { cluster }: SimWorld): SimNode | null {
  const { dataNodes, promotedLast } = cluster
  switch (target) {
    case 'primary':
      return promotedLast
    case 'standby':
      return dataNodes.find((node) => node.inRecovery && node.process === 'up') ?? null
    case 'other-primary':
      return dataNodes.find((node) => node.isPrimary && node !== promotedLast) ?? null
    case 'last-down':
      return dataNodes.findLast(({ process }) => process === 'down' || process === 'dead') ?? null
    default:
      return cluster.nodes.find(({ name }) => name === target) ?? null
  }
}

function applyToProxy(fault: Fault, proxy: SimProxy, random: Random): string | null {
  const amount = fault.amount ?? 0
  switch (fault.kind) {
    case 'proxy-crash':
      if (!proxy.isRunning) return null
      proxy.crash()
      return ''
    case 'proxy-start':
      if (proxy.isRunning) return null
      // A proxy that cannot write its state file does not start: its service manager tries again later.
      if (proxy.disk.isFailing) return null
      proxy.start()
      return ''
    case 'proxy-forget':
      proxy.crash()
      proxy.disk.content = null
      return 'its state file is lost'
    case 'proxy-pause':
      proxy.pause(amount)
      return ''
    case 'reload':
      proxy.reload()
      return ''
    case 'disk-fail':
      proxy.disk.isFailing = true
      return ''
    case 'disk-slow':
      proxy.disk.latencyMs = amount
      return ''
    case 'disk-mend':
      proxy.disk.isFailing = false
      proxy.disk.latencyMs = 2
      return ''
    case 'notify':
      proxy.hurry()
      return ''
    case 'clients':
      for (let count = 0; count < amount; count += 1) proxy.connect(random.below(6), 1_000 + random.below(60_000))
      return ''
    default:
      return null
  }
}

function applyToNode(fault: Fault, node: SimNode, world: SimWorld, proxy: SimProxy): string | null {
  const { cluster } = world
  const { name } = node
  const way = proxy.network.way(node)
  const amount = fault.amount ?? 0
  const other = fault.other === undefined ? null : findTarget(fault.other, world)
  switch (fault.kind) {
    case 'crash':
      cluster.stop(node, 'down')
      return name
    case 'power-off':
      cluster.stop(node, 'dead')
      return name
    case 'freeze':
      if (node.process !== 'up') return null
      cluster.stop(node, 'frozen')
      return name
    case 'thaw':
      cluster.thaw(node)
      return name
    case 'start':
      cluster.start(node)
      return name
    case 'start-without-signal':
      if (node.isWitness || !node.inRecovery) return null
      if (node.process === 'up') cluster.stop(node, 'down')
      cluster.start(node, { withoutSignal: true })
      return name
    case 'shut-down':
      cluster.shutDown(node)
      return name
    case 'promote':
    case 'promote-by-hand':
      if (!node.inRecovery || node.process !== 'up') return null
      cluster.promote(node, { sanctioned: fault.kind === 'promote' })
      return `${name} is on timeline ${node.branch.timelineId}`
    case 'register':
      cluster.register(node)
      return name
    case 'rejoin':
      if (other === null) return null
      cluster.rejoin(node, other)
      return `${name} follows ${other.name}`
    case 'follow':
      if (other === null) return null
      cluster.follow(node, other)
      return `${name} follows ${other.name}`
    case 'initialise':
      cluster.initialise(node)
      return `${name} is a cluster of its own`
    case 'restore':
      if (!cluster.restore(node)) return null
      return `${name} is on timeline ${node.branch.timelineId} again`
    case 'fill':
      node.isFull = true
      return name
    case 'empty':
      node.isFull = false
      return name
    case 'deny-logins':
      node.loginFailure = 'auth'
      return name
    case 'allow-logins':
      node.loginFailure = null
      return name
    case 'lag':
      node.lagBytes = amount * 2 ** 20
      return name
    case 'read-only':
      node.isReadOnlyByDefault = !node.isReadOnlyByDefault
      return name
    case 'lose-name':
      node.hasName = false
      return name
    case 'find-name':
      node.hasName = true
      return name
    case 'cut-nodes':
      if (other === null || other === node) return null
      cluster.cut(node, other)
      return `what ${name} sends to ${other.name} is lost`
    case 'mend-nodes':
      cluster.mend(node)
      return name
    case 'cut':
      way.isOutCut = true
      way.isBackCut = true
      return name
    case 'cut-out':
      way.isOutCut = true
      return name
    case 'cut-back':
      way.isBackCut = true
      return name
    case 'break':
      way.breaks = 'reset'
      return name
    case 'reject':
      way.breaks = 'refused'
      return name
    case 'lose':
      way.lossPercent = amount
      return name
    case 'delay':
      way.delayMs = amount
      return name
    case 'mend':
      proxy.network.mend(node)
      return name
    case 'fence':
    case 'unfence':
    case 'accept':
      proxy.order(fault.kind, name)
      return name
    default:
      return null
  }
}
