/**
 * Bugs made by hand, one for each rule that somebody could break: the simulator has to find every one. `find` occurs once
 * in its file. Data only; run-mutations.ts puts them into a copy of the tree.
 */

export interface Mutation {
  readonly name: string
  /** Below `src`. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** What it breaks. */
  readonly why: string
}

const DECIDE = 'topology/decide-topology.ts'
const CLAIMS = 'topology/claims.ts'
const STANDING = 'topology/standing.ts'
const JUDGE = 'topology/judge-nodes.ts'
const READERS = 'topology/standby-routing.ts'
const ROUTE = 'topology/route-session.ts'
const LOOP = 'probe/health-loop.ts'
const ADMISSION = 'net/admission.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'the incumbent is believed on an older timeline',
    file: CLAIMS,
    find: 'if (claim === undefined || standing.timelineId < epoch.timelineId) {',
    replace: 'if (claim === undefined) {',
    why: 'rule 2: a lower timeline is a stale primary, whoever it is',
  },
  {
    name: 'the same timeline counts as a higher one',
    file: DECIDE,
    find: 'claims.filter((claim) => claim.timelineId > epoch.timelineId)',
    replace: 'claims.filter((claim) => claim.timelineId >= epoch.timelineId)',
    why: 'rule 4: no fact decides between two claims on one timeline',
  },
  {
    name: 'nobody is waited for at the start',
    file: DECIDE,
    find: 'if (missing.length > 0) {',
    replace: 'if (missing.length > 99) {',
    why: 'rule 6: nobody is believed before everybody was asked once',
  },
  {
    name: 'the memory is not looked at',
    file: DECIDE,
    find: 'if (situation.input.previous.epoch === null) return ruleColdStart(situation)',
    replace: 'if (situation.input.previous.primary === null) return ruleColdStart(situation)',
    why: 'I2: a stale primary looks like a cold start',
  },
  {
    name: 'a cold start takes nodes of two clusters',
    file: DECIDE,
    find: 'if (identifiers.size > 1) {',
    replace: 'if (identifiers.size > 99) {',
    why: 'rule 6: which cluster is meant is for the operator to say',
  },
  {
    name: 'a cold start takes one of two claimants',
    file: DECIDE,
    find: 'if (top.length > 1) {',
    replace: 'if (top.length > 99) {',
    why: 'row 17: two claim one timeline',
  },
  {
    name: 'a cold start takes the higher claim without a row',
    file: DECIDE,
    find: 'if (claims.length > 1 && !first.confirmed) {',
    replace: 'if (claims.length > 99 && !first.confirmed) {',
    why: 'row 15',
  },
  {
    name: 'a cold start ignores a standby that knows better',
    file: DECIDE,
    find: 'if (known > claim.timelineId) return',
    replace: 'if (known > claim.timelineId + 99) return',
    why: 'rule 6: a standby has seen a higher timeline',
  },
  {
    name: 'a cold start ignores the witness',
    file: DECIDE,
    find: 'named !== null && named !== claim.node',
    replace: "named === '' && named !== claim.node",
    why: 'rule 6: the witness names another primary',
  },
  {
    name: 'a cold start needs nobody else',
    file: DECIDE,
    find: 'if (observable * 2 < registered) {',
    replace: 'if (observable * 200 < registered) {',
    why: 'row 11',
  },
  {
    name: 'require_majority is ignored',
    file: DECIDE,
    find: 'if (observable * 2 > registered) return ruling',
    replace: 'if (observable * 2 > 0) return ruling',
    why: 'rule 7',
  },
  {
    name: 'one of two claims above the epoch is taken',
    file: DECIDE,
    find: 'if (rivals.length > 1) {',
    replace: 'if (rivals.length > 99) {',
    why: 'rule 4, above the epoch',
  },
  {
    name: 'every claim counts as sanctioned',
    file: DECIDE,
    find: "if (claim.confirmed) return accept('higher-sanctioned'",
    replace: "if (claim.node !== '') return accept('higher-sanctioned'",
    why: 'rule 3: without a row the incumbent has a say',
  },
  {
    name: 'the latch is ignored',
    file: DECIDE,
    find: 'if (pending?.latched === true) {',
    replace: 'if (pending === null) {',
    why: 'rule 3: a blip of the incumbent hands the role over',
  },
  {
    name: 'there is no grace',
    file: DECIDE,
    find: 'if (input.now - since >= input.policy.graceMs) {',
    replace: 'if (input.now - since >= 0) {',
    why: 'rule 3: the row of a promotion is a second late',
  },
  {
    name: 'new sessions are routed while the grace runs',
    file: DECIDE,
    find: "case 'primary':\n      return hold(\n        'higher-grace',\n        'uncertain',\n        `",
    replace:
      "case 'primary':\n      return serve(\n        'higher-grace',\n        'split-brain',\n        epoch,\n        incumbent.provenAt,\n        `",
    why: 'row 12',
  },
  {
    name: 'nobody contests the epoch’s timeline',
    file: DECIDE,
    find: 'if (rivals.length === 0) return null',
    replace: 'if (rivals.length >= 0) return null',
    why: 'rule 4: a broken incumbent against a rival on its timeline',
  },
  {
    name: 'a contested incumbent need not be unbroken',
    file: DECIDE,
    find: "if (incumbent.kind === 'primary' && incumbent.unbroken) {",
    replace: "if (incumbent.kind === 'primary') {",
    why: 'rule 4: it was away, and may have lost what the rival has',
  },
  {
    name: 'a latched claim hides the one on the same timeline',
    file: DECIDE,
    find: '      const contested = ruleContested(situation, epoch)\n      if (contested !== null) return contested\n      return serve(',
    replace: '      return serve(',
    why: 'found by the simulator',
  },
  {
    name: 'a latched claim hides a young one',
    file: DECIDE,
    find: 'if (young !== undefined) {',
    replace: "if (young?.node === '') {",
    why: 'found by the simulator: row 12',
  },
  {
    name: 'the incumbent stays unbroken while it is away',
    file: DECIDE,
    find: "if (incumbent.kind !== 'primary') return null\n",
    replace: "if (incumbent.kind !== 'primary') return previous.unbrokenSince\n",
    why: 'rule 4: an absence is a break',
  },
  {
    name: 'a fenced node may claim',
    file: CLAIMS,
    find: "if (standing?.kind !== 'claims-primary' || previous.fenced.has(name)) continue",
    replace: "if (standing?.kind !== 'claims-primary') continue",
    why: 'rule 1',
  },
  {
    name: 'sessions on a fenced node stay',
    file: JUDGE,
    find: "if (fenced.has(name)) return 'fenced'",
    replace: '',
    why: 'rule 1: an order of an operator',
  },
  {
    name: 'a latch opens while its node is out of sight',
    file: CLAIMS,
    find: 'if (pending.latched && isOutOfSight(standings.get(node))) after.set(node, pending)',
    replace: '',
    why: 'rule 3: the claim was outlived, whoever blinks',
  },
  {
    name: 'the grace does not begin anew',
    file: CLAIMS,
    find: 'incumbentAwaySince: incumbentLives ? null : (before?.incumbentAwaySince ?? now),',
    replace: 'incumbentAwaySince: firstSeenAt,',
    why: 'rule 3: the incumbent answered in between',
  },
  {
    name: 'another cluster is one of ours',
    file: STANDING,
    find: 'if (pinnedSystemIdentifier !== null && answer.systemIdentifier !== pinnedSystemIdentifier) {',
    replace: 'if (pinnedSystemIdentifier === answer.systemIdentifier && answer.lsn === null) {',
    why: 'rule 1: initialised anew behind a known address',
  },
  {
    name: 'a standby without an upstream counts as primary',
    file: STANDING,
    find: "if (answer.inRecovery) return { kind: 'standby'",
    replace: "if (answer.inRecovery && answer.walReceiver !== null) return { kind: 'standby'",
    why: 'P1: in recovery',
  },
  {
    name: 'a witness counts as a primary',
    file: STANDING,
    find: "if (row?.type === 'witness') return",
    replace: "if (row?.type === 'bdr') return",
    why: 'rule 1: it is out of recovery, and of another identifier',
  },
  {
    name: 'one refusal is a proof',
    file: STANDING,
    find: 'return run.count >= 2 && run.lastSentAt',
    replace: 'return run.count >= 1 || run.lastSentAt',
    why: 'P4: it may be one restart',
  },
  {
    name: 'silence does not count',
    file: STANDING,
    find: 'if (failing.count < failuresToCount && lastAnswer',
    replace: 'if (failing.count < failuresToCount * 100 && lastAnswer',
    why: 'silence is never noticed: routed until the decision expires',
  },
  {
    name: 'sessions on the old primary stay',
    file: JUDGE,
    find: "if (epoch !== null && name !== epoch.node && !isIncumbent(standing, situation)) return end('is not the primary')",
    replace: '',
    why: 'row 7: it says nothing, and goes on writing',
  },
  {
    name: 'silence ends sessions',
    file: JUDGE,
    find: "if (standing.kind === 'refused' && standing.proven",
    replace: "if (standing.kind === 'silent' || standing.kind === 'refused' && standing.proven",
    why: 'P4: fence on proof, hold on doubt',
  },
  {
    name: 'sessions of a server that is gone stay',
    file: JUDGE,
    find: "return end('no longer listens')",
    replace: 'return KEEP',
    why: 'rule 5: backends outlive their postmaster',
  },
  {
    name: 'readers go to another timeline',
    file: READERS,
    find: 'if (isKnown && timelineId !== epoch.timelineId) return ELSEWHERE',
    replace: '',
    why: 'ADR 7: a standby of the old primary',
  },
  {
    name: 'readers go to followers of whoever claims',
    file: READERS,
    find: "    case 'foreign':\n      return ELSEWHERE",
    replace: "    case 'foreign':\n      return PRIMARY",
    why: 'ADR 7: an upstream that is not the primary',
  },
  {
    name: 'a standby that lost its primary serves on',
    file: READERS,
    find: 'if (mayYetFollow || chain.askedAt > ruling.provenAt) after.set',
    replace: 'if (mayYetFollow || chain.askedAt > 0) after.set',
    why: 'ADR 7: the primary lives on without it',
  },
  {
    name: 'an old decision routes',
    file: ROUTE,
    find: 'return decision !== null && now - decision.provenAt <= decisionTtlMs',
    replace: 'return decision !== null && now - decision.provenAt <= decisionTtlMs * 1e6',
    why: 'I9: the process was frozen meanwhile',
  },
  {
    name: 'an old answer of a standby routes',
    file: ROUTE,
    find: 'now - verdict.readProvenAt > decisionTtlMs',
    replace: 'now - verdict.readProvenAt > decisionTtlMs * 1e6',
    why: 'I9, for readers',
  },
  {
    name: 'a refused dial is forgotten',
    file: ROUTE,
    find: 'if (doubtedAt !== undefined && (context.decision?.provenAt ?? 0) <= doubtedAt) return HOLD',
    replace: '',
    why: 'ADR 3: only a later proof answers it',
  },
  {
    name: 'who may write is not ended',
    file: 'topology/session-verdict.ts',
    find: "if (sessions.kind === 'end') return",
    replace: "if (sessions.kind === 'end' && access === 'read') return",
    why: 'P2',
  },
  {
    name: 'an epoch is not written',
    file: LOOP,
    find: 'await this.#store.save({ epoch, fenced: [...this.#state.fenced] })',
    replace: 'await Promise.resolve()',
    why: 'P8: a crash forgets it',
  },
  {
    name: 'a failing disk does not matter',
    file: LOOP,
    find: 'this.#events.onSaveFailed?.(epoch, error as Error)\n      return',
    replace: 'this.#state = { ...this.#state, epoch }',
    why: 'P8: the epoch is acted on, and not on disk',
  },
  {
    name: 'an acceptance is never carried out',
    file: LOOP,
    find: 'if (decision.accept !== null) void this.#saveEpoch(decision.accept)',
    replace: '',
    why: 'liveness: a failover ends nowhere',
  },
  {
    name: 'failures are not evidence',
    file: LOOP,
    find: 'this.#evidence.set(node, addObservation',
    replace: "if (observation.kind === 'answered') this.#evidence.set(node, addObservation",
    why: 'a dead primary looks well until the decision expires',
  },
  {
    name: 'an order that fences is lost with the next epoch',
    file: LOOP,
    find: 'this.#state = { ...this.#state, epoch }',
    replace: 'this.#state = { ...this.#state, epoch, fenced: new Set() }',
    why: 'rule 1: what an operator fenced stays fenced',
  },
  {
    name: 'nobody is fenced',
    file: ADMISSION,
    find: 'return this.#registry.applyDecision(decision)',
    replace: 'return 0',
    why: 'P2, I5',
  },
  {
    name: 'verdicts are applied when they are old',
    file: ADMISSION,
    find: 'if (verdicts === this.#appliedVerdicts) return 0',
    replace: 'if (verdicts !== this.#appliedVerdicts) { this.#appliedVerdicts = verdicts; return 0 }',
    why: 'P2: one decision late',
  },
  {
    name: 'nobody is released',
    file: ADMISSION,
    find: 'this.#clearDoubts(decision)\n    this.#release()',
    replace: 'this.#clearDoubts(decision)',
    why: 'P3: they go on by themselves',
  },
  {
    name: 'whoever is released stays in the queue',
    file: ADMISSION,
    find: '      this.#queue.remove(applicant)\n',
    replace: '',
    why: 'he would be admitted again',
  },
  {
    name: 'any decision clears a doubt',
    file: ADMISSION,
    find: 'if (isProven || isOver) this.#doubtedAt.delete(node)',
    replace: 'this.#doubtedAt.delete(node)',
    why: 'ADR 3: only a later proof answers it',
  },
]
