/** What `check` has found: a fault with its remedy. Pure data, and the way to order it. */

/**
 * `problem`: the proxy cannot do its work there, or could be led astray. `warning`: it works, and less well than it
 * could on the day of a failover. `note`: worth knowing, perhaps as meant.
 */
export const SEVERITIES = ['problem', 'warning', 'note'] as const
export type Severity = (typeof SEVERITIES)[number]

export interface Finding {
  readonly severity: Severity
  /** For scripts; stays when the wording changes. */
  readonly code: string
  /** Names of the nodes it is about; empty when it is about the configuration or the cluster. */
  readonly nodes: readonly string[]
  /** One sentence, without a full stop. */
  readonly message: string
  /** What to do, one sentence; ends with a colon when statements follow. */
  readonly remedy: string
  /** Lines to copy: SQL, shell or YAML; often none. */
  readonly statements: readonly string[]
}

/** The worst first; what is equally bad keeps its order. */
export function inOrderOfSeverity(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity))
}
