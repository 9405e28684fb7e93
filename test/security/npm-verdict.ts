/**
 * What `npm audit --json` and `npm audit signatures --json` say -> a verdict. Test support; pure. An answer that is not
 * understood, or none, is never taken for a clean one.
 */
import { z } from 'zod'

export type NpmVerdict =
  /** The registry was asked, and has nothing against any package. */
  | { readonly kind: 'clean' }
  | { readonly kind: 'found'; readonly lines: readonly string[] }
  /** Nobody has looked: the registry does not answer such questions, or cannot be reached. */
  | { readonly kind: 'unasked'; readonly problem: string }

const SEVERITIES = ['info', 'low', 'moderate', 'high', 'critical'] as const
export type Severity = (typeof SEVERITIES)[number]

const ERROR = z.looseObject({
  message: z.string().optional(),
  error: z.looseObject({ code: z.string().optional(), summary: z.string().optional(), detail: z.string().optional() }),
})

const ADVISORY = z.union([z.string(), z.looseObject({ title: z.string().default(''), url: z.string().default('') })])

const REPORT = z.looseObject({
  auditReportVersion: z.literal(2),
  vulnerabilities: z.record(
    z.string(),
    z.looseObject({ severity: z.enum(SEVERITIES), range: z.string().default(''), via: z.array(ADVISORY) }),
  ),
  metadata: z.looseObject({ dependencies: z.looseObject({ total: z.number() }) }),
})

const SIGNED = z.looseObject({ name: z.string(), version: z.string(), code: z.string().optional() })
const SIGNATURES = z.looseObject({ invalid: z.array(SIGNED), missing: z.array(SIGNED) })

/** Of known vulnerabilities; those below `level` do not count. */
export function readAdvisories(text: string, level: Severity): NpmVerdict {
  const body = parseJson(text)
  const report = REPORT.safeParse(body)
  if (!report.success) return unasked(body)
  if (report.data.metadata.dependencies.total === 0) return { kind: 'unasked', problem: 'npm looked at no package' }
  const lines = Object.entries(report.data.vulnerabilities)
    .filter(([, { severity }]) => SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(level))
    .map(([name, { severity, range, via }]) => `${name} ${range}: ${severity}: ${via.map(describe).join('; ')}`)
  return lines.length === 0 ? { kind: 'clean' } : { kind: 'found', lines }
}

/** Of the registry's signatures: one that is wrong, or missing, is found. */
export function readSignatures(text: string): NpmVerdict {
  const body = parseJson(text)
  const signatures = SIGNATURES.safeParse(body)
  if (!signatures.success) return unasked(body)
  const { invalid, missing } = signatures.data
  const lines = [
    ...invalid.map(({ name, version, code }) => `${name}@${version}: the signature is wrong (${code ?? 'no reason'})`),
    ...missing.map(({ name, version }) => `${name}@${version}: not signed by the registry`),
  ]
  return lines.length === 0 ? { kind: 'clean' } : { kind: 'found', lines }
}

function describe(via: z.infer<typeof ADVISORY>): string {
  return typeof via === 'string' ? `by ${via}` : `${via.title} ${via.url}`.trim()
}

function unasked(body: unknown): NpmVerdict {
  const failed = ERROR.safeParse(body)
  if (!failed.success) return { kind: 'unasked', problem: 'npm answered with something that is no report' }
  const { message, error } = failed.data
  const words = [error.summary, message, error.detail, error.code].find((text) => text !== undefined && text !== '')
  return { kind: 'unasked', problem: (words ?? 'npm failed without a word').split('\n', 1)[0] ?? '' }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
