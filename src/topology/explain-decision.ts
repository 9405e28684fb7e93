/**
 * What would change a decision: for each rule the facts and the operator's orders that would lead to another one, one
 * sentence each. Pure; it decides nothing, and reads the situation as decide-topology.ts does. Unlike a reason these
 * sentences have numbers that change.
 */
import { countMembers } from './count-members.ts'
import { addNames, chooseNames } from './describe.ts'
import { primaryNamedBy } from './members.ts'
import { type DecisionInput, readSituation, type Situation } from './situation.ts'
import type { Standing } from './standing.ts'
import type { Decision, Epoch } from './topology-state.ts'

/** Standings of nodes that may be anything. */
const OUT_OF_SIGHT: ReadonlySet<Standing['kind'] | undefined> = new Set([
  'refused',
  'silent',
  'rejecting',
  'unobservable',
])

/** `input` is the one after the decision: its `previous` is the state that the decision left. */
export function explainDecision(input: DecisionInput, decision: Decision): string[] {
  const situation = readSituation(input)
  const fenced = [...input.previous.fenced].map(
    (node) => `${node} is fenced by an operator: \`pgha-proxy unfence ${node}\` lets it take part again.`,
  )
  return [...explainRule(situation, decision), ...fenced]
}

function explainRule(situation: Situation, decision: Decision): string[] {
  const { epoch } = situation.input.previous
  switch (decision.rule) {
    case 'first-look':
      return ['Decided as soon as every node has answered, or failed to, once.']
    case 'cold-clusters':
      return [
        'Take out of the configuration whatever belongs to another cluster.',
        ...offerAccept(situation, 'to pin the cluster of that node, and fence the others'),
      ]
    case 'cold-nobody':
      return [
        `A node that answers as primary is accepted: start the one that was${describeOutOfSight(situation)}, or promote one (repmgr standby promote).`,
      ]
    case 'cold-twice':
    case 'higher-twice':
      return endOfContest(situation)
    case 'cold-unsanctioned':
      return explainUnsanctioned(situation)
    case 'cold-contradicted':
      return explainContradiction(situation)
    case 'cold-too-few':
      return explainQuorum(situation, claimantOf(situation), (registered) => Math.ceil(registered / 2))
    case 'majority':
      return explainQuorum(situation, epoch?.node ?? claimantOf(situation), (registered) =>
        Math.floor(registered / 2 + 1),
      )
    case 'cold-accept':
    case 'higher-own':
    case 'higher-sanctioned':
    case 'higher-incumbent-gone':
    case 'higher-grace-passed':
      return [
        `Sessions go to ${decision.accept?.node ?? 'it'} as soon as this is on disk. If it stays so, state_dir cannot be written: see the log.`,
      ]
    case 'higher-latched':
      return epoch === null ? [] : explainLatched(situation, epoch)
    case 'higher-grace':
      return epoch === null ? [] : explainGrace(situation, epoch)
    case 'contested':
      return epoch === null ? [] : explainContested(situation, epoch, decision)
    case 'incumbent-serves':
      return epoch === null ? [] : explainServing(situation, epoch)
    case 'incumbent-missing':
      return epoch === null ? [] : explainMissing(situation, epoch)
    default: {
      const unhandled: never = decision.rule
      return unhandled
    }
  }
}

// --- The rules, one by one -----------------------------------------------------------------------------------------

function endOfContest(situation: Situation): string[] {
  const names = highestClaims(situation)
  return [
    `It ends when all but one of ${addNames(names)} stop, or become standbys of that one (repmgr node rejoin).`,
    ...offerAccept(situation, 'to decide for the one whose data matters'),
  ]
}

function explainUnsanctioned(situation: Situation): string[] {
  const [node = 'it'] = highestClaims(situation)
  const lower = situation.claims.filter((claim) => claim.node !== node).map((claim) => claim.node)
  return [
    `${node} is accepted when its own repmgr row says primary (repmgr primary register --force, there), or when ${addNames(lower)} no longer claims to be primary.`,
    ...offerAccept(situation, 'to decide for the one whose data matters'),
  ]
}

function explainContradiction(situation: Situation): string[] {
  const node = claimantOf(situation)
  const claimed = highestTimeline(situation)
  let known = 0
  const sentences: string[] = []
  for (const [name, standing] of situation.standings) {
    if (standing.kind === 'standby') {
      known = Math.max(known, standing.answer.timelineId ?? 0, standing.answer.timelineIdAtLeast)
    }
    if (standing.kind !== 'witness') continue
    const named = primaryNamedBy(name, situation.input)
    if (named !== null && named !== node) {
      sentences.push(
        `${node} is accepted when ${name} names it as the primary (its rows follow by up to 15 s), ${named} when it answers as primary.`,
      )
    }
  }
  if (known > claimed) sentences.unshift(`A node that answers as primary on timeline ${known} or above is accepted.`)
  return [...sentences, ...offerAccept(situation, 'if you know that it is right')]
}

function explainQuorum(situation: Situation, node: string, neededOf: (registered: number) => number): string[] {
  const { observable, registered, unobserved } = countMembers(situation, node)
  const missing = Math.max(1, neededOf(registered) - observable)
  const isCold = situation.input.previous.epoch === null
  return [
    `${missing} of ${registered} members more ${missing === 1 ? 'has' : 'have'} to answer: ${chooseNames(unobserved)}.`,
    ...(isCold ? offerAccept(situation, 'if you know that it is right') : []),
  ]
}

function explainLatched(situation: Situation, epoch: Epoch): string[] {
  const [node = 'it'] = claimsAbove(situation, epoch)
  const comesBack =
    situation.incumbent.kind === 'primary' ? [] : [`${epoch.node} serves again when it answers as primary.`]
  return [
    ...comesBack,
    `${node} takes over when its own repmgr row says primary (repmgr primary register --force, there; stop ${epoch.node} first).`,
    `It is over when ${node} becomes a standby (repmgr node rejoin).`,
    ...offerAccept(situation, `to take ${node} at once; what ${epoch.node} has written since is not in it`),
  ]
}

function explainGrace(situation: Situation, epoch: Epoch): string[] {
  const { incumbent, input, pendingClaims } = situation
  const [node = 'it'] = claimsAbove(situation, epoch)
  const left = formatSeconds(graceLeftMs(pendingClaims.get(node) ?? null, input) ?? 0)
  const bySign = `${node} is accepted at once when its own repmgr row says primary, or when ${epoch.node} refuses connections or is a standby.`
  if (incumbent.kind === 'primary') {
    return [bySign, `If ${epoch.node} still answers as primary in ${left}, it stays, and this is a split brain.`]
  }
  return [
    bySign,
    `Otherwise in ${left}, unless ${epoch.node} answers as primary before.`,
    ...offerAccept(situation, 'not to wait'),
  ]
}

function explainContested(situation: Situation, epoch: Epoch, { primary }: Decision): string[] {
  const rivals = situation.claims
    .filter(({ node, timelineId }) => timelineId === epoch.timelineId && node !== epoch.node)
    .map(({ node }) => node)
  const verb = rivals.length === 1 ? 'stops, or becomes' : 'stop, or become'
  return [
    primary === null
      ? `${epoch.node} serves ${situation.incumbent.kind === 'primary' ? '' : 'when it answers as primary and '}when ${addNames(rivals)} ${verb} a standby (repmgr node rejoin).`
      : `Sessions stay on ${primary}. It is over when ${addNames(rivals)} ${verb} a standby (repmgr node rejoin).`,
    ...offerAccept(situation, 'to decide for another one; stop the other first', primary),
  ]
}

function explainServing({ input, standings }: Situation, epoch: Epoch): string[] {
  const { failuresToCount, endSessionsWhenRefused } = input.policy
  const standbys = [...standings].filter(([, { kind }]) => kind === 'standby').map(([name]) => name)
  return [
    `New sessions wait when ${epoch.node} refuses connections, or ${failuresToCount} probes in a row time out; running ones stay while that proves nothing.`,
    `Its sessions end when it proves to be something else than the primary, ${endSessionsWhenRefused ? 'when its port refuses connections twice, ' : ''}or on \`pgha-proxy fence ${epoch.node}\`.`,
    standbys.length === 0
      ? `No other node could take over: none is a standby now.`
      : `${chooseNames(standbys)} ${takesOver(epoch)}`,
  ]
}

function explainMissing(situation: Situation, epoch: Epoch): string[] {
  const { incumbent, input, standings } = situation
  const isFenced = incumbent.kind === 'fenced'
  const back = isFenced
    ? []
    : [`${epoch.node} answering as primary on timeline ${epoch.timelineId} or above serves again at once.`]
  const others = input.members.map(({ name }) => name).filter((name) => name !== epoch.node)
  const standbys = others.filter((name) => standings.get(name)?.kind === 'standby')
  const candidates =
    standbys.length > 0 ? standbys : others.filter((name) => OUT_OF_SIGHT.has(standings.get(name)?.kind))
  return [
    ...back,
    ...(candidates.length === 0
      ? []
      : [
          `${chooseNames(candidates)} ${takesOver(epoch)}${standbys.length > 0 ? ' To promote one: repmgr standby promote, there.' : ''}`,
        ]),
    ...offer(
      acceptable(situation).filter((name) => standings.get(name)?.kind !== 'foreign'),
      `if ${epoch.node} and what was written on it since are lost for good: the older timeline counts then`,
    ),
    ...offer(
      acceptable(situation).filter((name) => standings.get(name)?.kind === 'foreign'),
      'to pin the cluster of that node in place of the old one',
    ),
  ]
}

// --- Pieces --------------------------------------------------------------------------------------------------------

function takesOver({ node, timelineId }: Epoch): string {
  return `takes over by answering as primary on a timeline above ${timelineId}: at once when its own repmgr row says so or ${node} refuses connections, is a standby or fenced; else after policy.grace.`
}

/** The nodes that `pgha-proxy accept` would take now: they answer, out of recovery, and nothing forbids it. */
function acceptable({ input, standings }: Situation): string[] {
  return input.members
    .filter(({ name }) => {
      const known = input.evidence.get(name)
      const isUp = known?.failing === null && known.lastAnswer?.answer.inRecovery === false
      return isUp && standings.get(name)?.kind !== 'witness' && !input.previous.fenced.has(name)
    })
    .map(({ name }) => name)
}

function offerAccept(situation: Situation, purpose: string, except: string | null = null): string[] {
  return offer(
    acceptable(situation).filter((name) => name !== except),
    purpose,
  )
}

function offer(names: readonly string[], purpose: string): string[] {
  if (names.length === 0) return []
  return [`An operator's word: ${chooseNames(names.map((name) => `\`pgha-proxy accept ${name}\``))}, ${purpose}.`]
}

function describeOutOfSight({ standings }: Situation): string {
  const names = [...standings].filter(([, { kind }]) => OUT_OF_SIGHT.has(kind)).map(([name]) => name)
  return names.length === 0 ? '' : ` (${chooseNames(names)} cannot be asked now)`
}

function highestTimeline({ claims }: Situation): number {
  return claims.reduce((best, claim) => Math.max(best, claim.timelineId), 0)
}

function highestClaims(situation: Situation): string[] {
  const timelineId = highestTimeline(situation)
  return situation.claims.filter((claim) => claim.timelineId === timelineId).map(({ node }) => node)
}

function claimantOf(situation: Situation): string {
  return highestClaims(situation)[0] ?? 'it'
}

function claimsAbove({ claims }: Situation, epoch: Epoch): string[] {
  const above = claims.filter((claim) => claim.timelineId > epoch.timelineId && claim.node !== epoch.node)
  return above.toSorted((a, b) => b.timelineId - a.timelineId).map(({ node }) => node)
}

/** Until a claim that waits is accepted, or, while the incumbent lives, until it is latched; `null` when none waits. */
export function graceLeftMs(
  pending: {
    readonly firstSeenAt: number
    readonly incumbentAwaySince: number | null
    readonly latched: boolean
  } | null,
  { policy, now }: Pick<DecisionInput, 'policy' | 'now'>,
): number | null {
  if (pending === null || pending.latched) return null
  return Math.max(0, policy.graceMs - (now - (pending.incumbentAwaySince ?? pending.firstSeenAt)))
}

function formatSeconds(milliseconds: number): string {
  return `${Math.ceil(milliseconds / 100) / 10} s`
}
