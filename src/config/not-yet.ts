/**
 * Settings that are understood but not built yet: parsed, then refused, each with its place. The only list of them:
 * delete an entry when its feature is there.
 */
import type { Draft } from './draft.ts'
import type { RuleFault } from './impossible.ts'

const VERSION = '0.1'

/** Every use of a setting that this version cannot honour. */
export function findNotYetAvailable(draft: Draft): readonly RuleFault[] {
  const faults: RuleFault[] = []
  const refuse = (path: RuleFault['path'], expected: string) =>
    faults.push({ path, problem: `is not available in this version (${VERSION})`, expected })

  if (draft.workers !== undefined && draft.workers !== 1) refuse(['workers'], '1')
  return faults
}
