/** The exact GRANTs that the monitoring role lacks, and where to run them. Pure. */
import type { Config } from '../../config/config.ts'
import { explainMissingGrants, type ProbeCapabilities } from '../../probe/capabilities.ts'
import { addNames } from '../../topology/describe.ts'
import type { Finding } from './finding.ts'
import type { ClusterView } from './probe-cluster.ts'

/** One finding for the cluster, whose standbys get grants by replication, and one for each witness, which does not. */
export function findMissingGrants(view: ClusterView, config: Config): Finding[] {
  const witnesses: Finding[] = []
  const names: string[] = []
  const statements = new Set<string>()
  for (const { name } of view.members) {
    const missing = missingOn(name, view, config)
    if (missing.length === 0) continue
    if (view.decision.nodes.get(name)?.role === 'witness') {
      witnesses.push(describe([name], missing, `on ${name} (a witness gets none by replication)`, true, view, config))
      continue
    }
    names.push(name)
    for (const statement of missing) statements.add(statement)
  }
  if (names.length === 0) return witnesses
  const primary = view.decision.primary ?? claimantOf(view)
  const place = primary === null ? 'on the primary' : `on ${primary}, the primary`
  const isReplicated = names.some((name) => name !== primary)
  const where = isReplicated ? `${place} (standbys get them by replication)` : place
  return [describe(names, [...statements], where, false, view, config), ...witnesses]
}

function missingOn(name: string, { capabilities }: ClusterView, { discovery }: Config): readonly string[] {
  const known = capabilities.get(name)
  return known === undefined ? [] : explainMissingGrants(known, { discovery: discovery === 'repmgr' })
}

function describe(
  names: readonly string[],
  statements: readonly string[],
  place: string,
  isWitness: boolean,
  { capabilities }: ClusterView,
  { monitor }: Config,
): Finding {
  const known = names.flatMap((name) => capabilities.get(name) ?? [])
  return {
    severity: known.some(({ deniedFunctions }) => deniedFunctions.length > 0) ? 'problem' : 'warning',
    code: 'missing-grants',
    nodes: names,
    message: `the monitoring role ${monitor.user} lacks grants on ${addNames(names)}, so ${addNames(lossesOf(known, isWitness))}`,
    remedy: `run in database ${monitor.database} ${place}:`,
    statements: statements.map((statement) => `${statement};`),
  }
}

/** What goes without: predicates of the whole, to follow "so". */
function lossesOf(known: readonly ProbeCapabilities[], isWitness: boolean): readonly string[] {
  const isBlind = known.some(({ deniedFunctions }) => deniedFunctions.length > 0)
  const lacksRows = known.some(({ repmgr }) => repmgr.kind === 'denied')
  const lacksAddresses = known.some(({ repmgr }) => repmgr.kind === 'readable' && !repmgr.conninfo)
  if (isWitness && !isBlind) return ['what it knows of repmgr is not heard']
  return [
    ...(isBlind ? ['what they are cannot be seen'] : []),
    ...(known.some(({ readsWalReceiver }) => !readsWalReceiver) ? ['standbys are not used for reads'] : []),
    ...(lacksRows ? ["repmgr's word is not heard"] : []),
    ...(lacksRows || lacksAddresses ? ['nodes are not discovered'] : []),
  ]
}

/** Nobody is accepted, and yet one may be out of recovery: it is the one that takes GRANTs. */
function claimantOf({ members, evidence, decision }: ClusterView): string | null {
  const claimant = members.find(({ name }) => {
    return evidence.get(name)?.lastAnswer?.answer.inRecovery === false && decision.nodes.get(name)?.role !== 'witness'
  })
  return claimant?.name ?? null
}
