/**
 * The names of the rules in decide-topology.ts: one for each way in which a decision comes about. They stand in the
 * status for programs; the sentence beside them is for people. The numbers are those of docs/decision.md.
 */
export const RULES = [
  /** Not every node has been asked once since the start. */
  'first-look',
  /** 6: the nodes do not belong to one cluster. */
  'cold-clusters',
  /** 6: nobody claims to be primary. */
  'cold-nobody',
  /** 6: two claim the highest timeline. */
  'cold-twice',
  /** 6: the higher of several claims has no row that says so. */
  'cold-unsanctioned',
  /** 6: a standby or a witness contradicts the lone claimant. */
  'cold-contradicted',
  /** 6: too few nodes can be observed. */
  'cold-too-few',
  /** 6: the claimant is accepted. */
  'cold-accept',
  /** 4: two claim the same timeline above the epoch's. */
  'higher-twice',
  /** 3: the incumbent itself has moved to a higher timeline. */
  'higher-own',
  /** 3: the claimant's own row says so. */
  'higher-sanctioned',
  /** 3: the incumbent outlived the claim. */
  'higher-latched',
  /** 3: the incumbent is provably not the primary. */
  'higher-incumbent-gone',
  /** 3: the incumbent did not answer for the whole grace. */
  'higher-grace-passed',
  /** 3: the grace runs. */
  'higher-grace',
  /** 4: somebody else claims the epoch's timeline. */
  'contested',
  /** 5: the incumbent serves. */
  'incumbent-serves',
  /** 5: it does not, and nobody takes its place. */
  'incumbent-missing',
  /** 7: `policy.require_majority`, and there is none. */
  'majority',
] as const

export type Rule = (typeof RULES)[number]
