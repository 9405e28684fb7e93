/**
 * Phase two: the network, the disks and the servers are put right, as an operator does it: one primary, everybody else
 * follows it, no orders in force. Test support.
 */
import type { EventQueue } from './event-queue.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './simulation.ts'

/** Returns the name of the primary from now on. */
export function heal({ cluster, proxies }: SimWorld, queue: EventQueue): string {
  for (const proxy of proxies) {
    proxy.network.mendAll()
    proxy.disk.isFailing = false
    proxy.disk.latencyMs = 2
    proxy.start()
  }
  for (const node of cluster.nodes) {
    cluster.mend(node)
    node.hasName = true
    node.isFull = false
    node.loginFailure = null
    node.isReadOnlyByDefault = false
    node.lagBytes = 0
    cluster.thaw(node)
    if (node.isWitness) cluster.start(node)
  }
  const primary = choosePrimary(cluster.dataNodes)
  if (primary.process === 'stopping') cluster.stop(primary, 'down')
  cluster.start(primary)
  queue.after(4_000, () => {
    if (primary.inRecovery) cluster.promote(primary, { sanctioned: true })
    else cluster.register(primary)
    for (const node of cluster.dataNodes) {
      if (node === primary) continue
      if (node.process === 'dead') cluster.start(node)
      cluster.rejoin(node, primary)
    }
  })
  queue.after(6_000, () => cluster.registerAll(primary))
  queue.after(200, () => {
    for (const proxy of proxies) for (const node of proxy.known.fenced) proxy.order('unfence', node)
  })
  return primary.name
}

/** The highest timeline of the cluster that there was; a fact decides, where one can. */
function choosePrimary(nodes: readonly SimNode[]): SimNode {
  const rank = (node: SimNode): number => {
    const isOurs = node.branch.systemIdentifier.startsWith('70')
    return (isOurs ? 1_000 : 0) + node.branch.timelineId * 4 + (node.inRecovery ? 0 : 2)
  }
  return nodes.reduce((best, node) => (rank(node) > rank(best) ? node : best))
}

/** Where no fact can decide, the operator does. Returns the proxies that had to be told. */
export function finishHealing({ cluster, proxies }: SimWorld, chosen: string): string[] {
  const primary = cluster.find(chosen)
  const told: string[] = []
  for (const proxy of proxies) {
    const { epoch } = proxy.known
    for (const node of proxy.known.fenced) proxy.order('unfence', node)
    if (epoch === null) continue
    const isOurs = epoch.systemIdentifier === primary.branch.systemIdentifier
    const isAbove = isOurs && epoch.timelineId < primary.branch.timelineId
    // A claim that the incumbent has outlived needs a row or an operator, and without repmgr there are no rows.
    const isLatched = primary.rows === null && proxy.decision?.rule === 'higher-latched'
    const isAccepted = isOurs && epoch.node === chosen && epoch.timelineId === primary.branch.timelineId
    if ((isAbove && !isLatched) || isAccepted) continue
    proxy.order('accept', chosen)
    told.push(proxy.name)
  }
  return told
}
