/**
 * Observations -> decision: who is primary, and what follows. A pure function of (previous state, evidence, policy,
 * now); the same input gives the same output, and nothing is done here.
 *
 * The order of the rules is the order of trust: operator's fences, the system identifier, the epoch (a lower timeline
 * is never believed), then claims above the epoch, then the incumbent, then the cold start. Rules and truth table:
 * docs/decision.md. A candidate is only ever accepted through `accept`: the caller writes that epoch to disk, puts it
 * into the state and decides again, so that nobody is admitted on the strength of an epoch that a crash would forget.
 */
import type { Claim, Incumbent } from './claims.ts'
import { countMembers } from './count-members.ts'
import { addNames } from './describe.ts'
import { isObserved } from './evidence.ts'
import { judgeNodes } from './judge-nodes.ts'
import { primaryNamedBy } from './members.ts'
import type { Rule } from './rules.ts'
import { type DecisionInput, type Ruling, readSituation, type Situation } from './situation.ts'
import { followersAfter } from './standby-routing.ts'
import { describeStanding, type Standing } from './standing.ts'
import type { Decision, Epoch, TopologyState } from './topology-state.ts'

/** For this long after a change, and after a node began to fail, probes go at the fast pace. */
export const FAST_PACE_AFTER_CHANGE_MS = 10_000

export function decideTopology(input: DecisionInput): { readonly decision: Decision; readonly state: TopologyState } {
  const situation = readSituation(input)
  const ruling = limitByMajority(rule(situation), situation)
  const followers = followersAfter(situation, ruling)
  const judged = judgeNodes(situation, ruling, followers)
  const decision: Decision = { ...ruling, ...judged, pace: choosePace(situation, ruling) }
  return { decision, state: { ...nextState(situation, decision), followers } }
}

function rule(situation: Situation): Ruling {
  const missing = notYetObserved(situation)
  if (missing.length > 0) {
    return hold('first-look', 'no-primary', `waiting for the first answer of ${addNames(missing)}`)
  }
  if (situation.input.previous.epoch === null) return ruleColdStart(situation)
  return (
    ruleAbove(situation, situation.input.previous.epoch) ?? ruleIncumbent(situation, situation.input.previous.epoch)
  )
}

/**
 * Right after the start nobody is believed before everybody was asked once: the answer of the true primary may be two
 * milliseconds behind that of the stale one. Without an epoch that holds for members discovered later, too.
 */
function notYetObserved({ input }: Situation): string[] {
  if (input.previous.settled && input.previous.epoch !== null) return []
  return input.members
    .filter((member) => {
      const known = input.evidence.get(member.name)
      return known === undefined || !isObserved(known)
    })
    .map((member) => member.name)
}

// --- Cold start: nothing was ever accepted -------------------------------------------------------------------------

function ruleColdStart(situation: Situation): Ruling {
  const { claims, standings, input } = situation
  const identifiers = clusterIdentifiers(standings)
  if (identifiers.size > 1) {
    return hold(
      'cold-clusters',
      'no-primary',
      `the nodes belong to different clusters (system identifiers ${[...identifiers].join(', ')})`,
    )
  }
  const top = highest(claims)
  const [first] = top
  if (first === undefined)
    return hold('cold-nobody', 'no-primary', `no node claims to be primary; ${describeAll(situation)}`)
  if (top.length > 1) {
    return hold(
      'cold-twice',
      'split-brain',
      `${addNames(top.map((claim) => claim.node))} claim to be primary on the same timeline ${first.timelineId}`,
    )
  }
  if (claims.length > 1 && !first.confirmed) {
    const lower = claims.filter((claim) => claim !== first).map((claim) => claim.node)
    return hold(
      'cold-unsanctioned',
      'split-brain',
      `${first.node} claims to be primary on timeline ${first.timelineId} without a repmgr row that says so, ` +
        `and ${addNames(lower)} on a lower one`,
    )
  }
  const contradicting = contradictions(situation, first)
  if (contradicting !== null) return hold('cold-contradicted', 'no-primary', contradicting)
  const { observable, registered, unobserved } = countMembers(situation, first.node)
  if (observable * 2 < registered) {
    return hold(
      'cold-too-few',
      'no-primary',
      `${first.node} claims to be primary, but only ${observable} of ${registered} registered nodes can be observed ` +
        `(${addNames(unobserved)} cannot), and no primary was accepted before`,
    )
  }
  return accept('cold-accept', input, first, 'nobody contradicts it')
}

/** Identifiers of all nodes that are part of a cluster; a witness has its own and does not count. */
function clusterIdentifiers(standings: ReadonlyMap<string, Standing>): Set<string> {
  const found = new Set<string>()
  for (const standing of standings.values()) {
    if (standing.kind === 'claims-primary' || standing.kind === 'standby') found.add(standing.answer.systemIdentifier)
  }
  return found
}

/**
 * A standby that knows a higher timeline proves that the claimant is not the latest primary. A witness that names another
 * one makes it doubtful: it is late by 1 to 15 s, and until it names the claimant nobody can know which of the two erred.
 */
function contradictions(situation: Situation, claim: Claim): string | null {
  const claimed = `${claim.node} claims to be primary on timeline ${claim.timelineId}`
  for (const [name, standing] of situation.standings) {
    if (standing.kind === 'standby') {
      const known = Math.max(standing.answer.timelineId ?? 0, standing.answer.timelineIdAtLeast)
      if (known > claim.timelineId) return `${claimed}, but ${name} has seen timeline ${known}`
    }
    if (standing.kind !== 'witness') continue
    const named = primaryNamedBy(name, situation.input)
    // With two claims the timelines decide: they are facts, and its rows may be old.
    if (situation.claims.length === 1 && named !== null && named !== claim.node) {
      return `${claimed}, but ${name}, a witness, names ${named} as the primary`
    }
  }
  return null
}

// --- Claims above the epoch's timeline -----------------------------------------------------------------------------

function ruleAbove(situation: Situation, epoch: Epoch): Ruling | null {
  const { claims, incumbent, input, pendingClaims } = situation
  const above = claims.filter((claim) => claim.timelineId > epoch.timelineId)
  if (above.length === 0) return null

  const confirmed = highest(above.filter((claim) => claim.confirmed))
  const top = confirmed.length > 0 ? confirmed : highest(above)
  const [claim] = top
  if (claim === undefined) return null
  const rivals = above.filter((other) => other.timelineId === claim.timelineId)
  if (rivals.length > 1) {
    const sentence = `${addNames(rivals.map((rival) => rival.node))} claim to be primary on the same timeline ${claim.timelineId}`
    return keepUnbrokenIncumbent('higher-twice', situation, epoch, sentence)
  }

  if (claim.node === epoch.node)
    return accept('higher-own', input, claim, 'it was primary before and has moved to a higher timeline')
  if (claim.confirmed) return accept('higher-sanctioned', input, claim, 'its own repmgr row says so')

  const pending = pendingClaims.get(claim.node)
  const claimText = `${claim.node} claims to be primary on timeline ${claim.timelineId} without a repmgr row that says so`
  if (pending?.latched === true) {
    if (incumbent.kind === 'primary') {
      const young = above.find((other) => pendingClaims.get(other.node)?.latched !== true)
      if (young !== undefined) {
        const youngText = `${young.node} claims to be primary on timeline ${young.timelineId}`
        return hold('higher-grace', 'uncertain', `${youngText} as well: waiting for the grace to pass`)
      }
      // The claim that is latched lends the incumbent no strength against another one on its own timeline.
      const contested = ruleContested(situation, epoch)
      if (contested !== null) return contested
      return serve(
        'higher-latched',
        'split-brain',
        epoch,
        incumbent.provenAt,
        `${claimText}, while ${epoch.node} lives on and stays`,
      )
    }
    return hold(
      'higher-latched',
      'split-brain',
      `${claimText}; ${epoch.node}, which outlived that claim, ${incumbent.text}: an operator has to decide`,
    )
  }
  switch (incumbent.kind) {
    case 'refused':
    case 'standby':
    case 'fenced':
    case 'gone':
      return accept('higher-incumbent-gone', input, claim, `${epoch.node} ${incumbent.text}`)
    case 'primary':
      return hold(
        'higher-grace',
        'uncertain',
        `${claimText}; ${epoch.node} still answers as primary: waiting for the grace to pass`,
      )
    case 'away': {
      const since = pending?.incumbentAwaySince ?? input.now
      if (input.now - since >= input.policy.graceMs) {
        return accept(
          'higher-grace-passed',
          input,
          claim,
          `${epoch.node} ${incumbent.text} and did not answer as primary for the whole grace`,
        )
      }
      return hold(
        'higher-grace',
        'uncertain',
        `${claimText}; ${epoch.node} ${incumbent.text}: waiting for the grace to pass`,
      )
    }
    default: {
      const unhandled: never = incumbent
      return unhandled
    }
  }
}

// --- Nobody above: the incumbent -----------------------------------------------------------------------------------

function ruleIncumbent(situation: Situation, epoch: Epoch): Ruling {
  const { claims, incumbent } = situation
  const contested = ruleContested(situation, epoch)
  if (contested !== null) return contested
  const zombies = claims.filter((claim) => claim.timelineId < epoch.timelineId)
  if (incumbent.kind === 'primary') {
    const standsBy = incumbent.unobserved ? ` and ${incumbent.text}: the decision stands` : ''
    const reason = `${epoch.node} is primary on timeline ${epoch.timelineId}${standsBy}`
    return serve('incumbent-serves', 'serving', epoch, incumbent.provenAt, reason)
  }
  const claimed = zombies.map(
    (zombie) => `${zombie.node} claims the older timeline ${zombie.timelineId} and is not believed`,
  )
  const reason = [`${epoch.node}, primary on timeline ${epoch.timelineId}, ${incumbent.text}`, ...claimed].join('; ')
  return hold('incumbent-missing', incumbent.kind === 'away' ? 'uncertain' : 'no-primary', reason)
}

/** Somebody else claims the epoch's timeline; `null` when nobody does. */
function ruleContested(situation: Situation, epoch: Epoch): Ruling | null {
  const rivals = situation.claims.filter((claim) => claim.timelineId === epoch.timelineId && claim.node !== epoch.node)
  if (rivals.length === 0) return null
  const names = addNames(rivals.map((rival) => rival.node))
  const verb = rivals.length === 1 ? 'claims' : 'claim'
  const sentence = `${names} ${verb} to be primary on timeline ${epoch.timelineId}, which is ${epoch.node}'s`
  return keepUnbrokenIncumbent('contested', situation, epoch, sentence)
}

/**
 * Contested by somebody whom no fact refutes. The incumbent keeps what it has, and new sessions too, if it has been
 * primary without a break; nobody else gets anything.
 */
function keepUnbrokenIncumbent(
  rule: 'higher-twice' | 'contested',
  { incumbent }: Situation,
  epoch: Epoch,
  sentence: string,
): Ruling {
  if (incumbent.kind === 'primary' && incumbent.unbroken) {
    const reason = `${sentence}; ${epoch.node} has been primary without a break and stays`
    return serve(rule, 'split-brain', epoch, incumbent.provenAt, reason)
  }
  return hold(rule, 'split-brain', `${sentence}; no fact tells which one is right: an operator has to decide`)
}

// --- What holds for every ruling -----------------------------------------------------------------------------------

function limitByMajority(ruling: Ruling, situation: Situation): Ruling {
  const node = ruling.primary ?? ruling.accept?.node ?? null
  if (!situation.input.policy.requireMajority || node === null) return ruling
  const { observable, registered, unobserved } = countMembers(situation, node)
  if (observable * 2 > registered) return ruling
  return hold(
    'majority',
    'uncertain',
    `${node} claims to be primary, but only ${observable} of ${registered} registered nodes can be observed ` +
      `(${addNames(unobserved)} cannot) and policy.require_majority is on`,
  )
}

function accept(rule: Rule, input: DecisionInput, claim: Claim, why: string): Ruling {
  return {
    rule,
    kind: 'uncertain',
    reason: `accepting ${claim.node} as primary on timeline ${claim.timelineId}: ${why}`,
    primary: null,
    provenAt: claim.provenAt,
    accept: {
      systemIdentifier: claim.systemIdentifier,
      timelineId: claim.timelineId,
      node: claim.node,
      at: input.wallTime,
    },
  }
}

function serve(rule: Rule, kind: 'serving' | 'split-brain', epoch: Epoch, provenAt: number, reason: string): Ruling {
  return { rule, kind, reason, primary: epoch.node, provenAt, accept: null }
}

function hold(rule: Rule, kind: Exclude<Decision['kind'], 'serving'>, reason: string): Ruling {
  return { rule, kind, reason, primary: null, provenAt: Number.NEGATIVE_INFINITY, accept: null }
}

function highest(claims: readonly Claim[]): Claim[] {
  const top = claims.reduce((best, claim) => Math.max(best, claim.timelineId), 0)
  return claims.filter((claim) => claim.timelineId === top)
}

function describeAll({ standings }: Situation): string {
  return [...standings].map(([name, standing]) => `${name} ${describeStanding(standing)}`).join(', ')
}

function choosePace({ input, standings, pendingClaims }: Situation, ruling: Ruling): Decision['pace'] {
  const { previous, now, evidence } = input
  const pending = [...pendingClaims.values()].some((claim) => !claim.latched)
  if (ruling.primary === null || pending) return 'fast'
  const changed = ruling.kind !== previous.kind || ruling.primary !== previous.primary
  if (changed || now - previous.changedAt < FAST_PACE_AFTER_CHANGE_MS) return 'fast'
  const standing = standings.get(ruling.primary)
  // A server that is full is not asked more often for it.
  if (standing?.kind === 'claims-primary' && standing.doubtful) return 'fast'
  for (const known of evidence.values()) {
    if (known.failingSince !== null && now - known.failingSince < FAST_PACE_AFTER_CHANGE_MS) return 'fast'
  }
  return 'steady'
}

function nextState(situation: Situation, decision: Decision): Omit<TopologyState, 'followers'> {
  const { input, incumbent, pendingClaims } = situation
  const { previous, now } = input
  const changed = decision.kind !== previous.kind || decision.primary !== previous.primary
  return {
    epoch: previous.epoch,
    fenced: previous.fenced,
    pendingClaims,
    settled: previous.settled || notYetObserved(situation).length === 0,
    unbrokenSince: unbrokenAfter(previous, incumbent, decision),
    kind: decision.kind,
    reason: decision.reason,
    primary: decision.primary,
    changedAt: changed ? now : previous.changedAt,
  }
}

/** Serving alone begins an unbroken time; losing sight of the incumbent for longer than a doubt ends it. */
function unbrokenAfter(previous: TopologyState, incumbent: Incumbent, decision: Decision): string | null {
  if (incumbent.kind !== 'primary') return null
  if (decision.kind === 'serving') return incumbent.postmasterStartedAt ?? previous.unbrokenSince
  return incumbent.unbroken ? previous.unbrokenSince : null
}
