/**
 * Text and environment to `Config`, or to all faults at once. Pure: it reads no file (load-file.ts does) and no
 * `process.env`. The steps: YAML, placeholders, each setting by itself, settings together, what is not built yet.
 */
import { findAdvice } from './advice.ts'
import { buildConfig } from './build-config.ts'
import type { Config } from './config.ts'
import { describeIssue, faultAt } from './describe-issue.ts'
import { checkDocument } from './draft.ts'
import { type ConfigFault, inFileOrder, type Path } from './fault.ts'
import { findImpossible } from './impossible.ts'
import { CONFIG_BYTES_MAX, parseYaml } from './parse-yaml.ts'
import { SECRET_PATHS } from './redact.ts'
import type { Environment } from './substitute.ts'
import { type WalkedDocument, walkDocument } from './walk-document.ts'

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigFault[] }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }

/** A fault of the file as a whole. */
export function wholeFileFault(problem: string, expected: string | null): LoadResult {
  return {
    ok: false,
    faults: [{ path: '', line: null, column: null, value: null, problem, expected, suggestion: null }],
  }
}

/**
 * Loads a configuration. Bytes must be UTF-8; a byte order mark is dropped. At most 1 MiB. Never throws: whatever is
 * wrong is a fault, in file order; syntax faults of YAML come alone, since nothing else can be said then.
 * Warnings have the shape of faults. Neither holds a secret.
 */
export function loadConfig({ text, environment }: { text: string | Uint8Array; environment: Environment }): LoadResult {
  const decoded = typeof text === 'string' ? text : decode(text)
  if (decoded === null) return wholeFileFault('the file is too large or no UTF-8 text', 'at most 1 MiB of UTF-8')
  const yaml = parseYaml(decoded)
  if (!yaml.ok) return { ok: false, faults: yaml.faults }
  const walked = walkDocument(yaml.document, environment, yaml.positionOf)
  const { document, issues, draft } = checkDocument(walked.value)

  const faults = [...walked.faults]
  const add = (fault: ConfigFault, path: Path) => {
    if (!walked.isFaulty(path)) faults.push(fault)
  }
  for (const issue of issues) for (const { fault, path } of describeIssue(issue, walked)) add(fault, path)
  for (const rule of findImpossible(draft, walked.value)) {
    add(faultAt(walked, rule.path, rule.problem, rule.expected), rule.path)
  }
  if (document === null || faults.length > 0) return { ok: false, faults: inFileOrder(faults) }

  const config = buildConfig(document)
  const advice = findAdvice(config, findLiteralSecrets(config, walked))
  return {
    ok: true,
    config,
    warnings: inFileOrder(advice.map((rule) => faultAt(walked, rule.path, rule.problem, rule.expected))),
  }
}

function decode(bytes: Uint8Array): string | null {
  if (bytes.byteLength > CONFIG_BYTES_MAX) return null
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

function findLiteralSecrets(config: Config, walked: WalkedDocument): readonly Path[] {
  return SECRET_PATHS.filter(([section, key]) => {
    const holder: object | null = section === 'monitor' ? config.monitor : config.admin
    const value = holder === null ? null : Reflect.get(holder, key)
    return value !== null && walked.variablesOf([section, key]).length === 0
  })
}
