/** Settings that work and are probably not meant: told as warnings, never refused. Pure. */

import { isShortToken, LONG_TOKEN } from './admin-token.ts'
import type { Config } from './config.ts'
import type { RuleFault } from './impossible.ts'
import { isLoopback } from './loopback.ts'

/** repmgr writes a promotion into its table about 1.0 s after the node takes writes. */
const REPMGR_WORD_MS = 1_500

/** Warnings about a configuration without faults. `literalSecrets`: the secrets that stand in the file itself. */
export function findAdvice(config: Config, literalSecrets: readonly RuleFault['path'][]): readonly RuleFault[] {
  const advice: RuleFault[] = literalSecrets.map((path) => ({
    path,
    problem: 'stands in the file itself, for whoever may read it',
    expected: `${path.join('.')}_file, or a placeholder for an environment variable`,
  }))
  if (config.discovery === 'repmgr' && config.policy.graceMs < REPMGR_WORD_MS) {
    advice.push({
      path: ['policy', 'grace'],
      problem: 'is shorter than repmgr takes to record a promotion',
      expected: 'about 2s, unless a promotion by hand is always meant',
    })
  }
  for (const [index, { proxyProtocol }] of config.listeners.entries()) {
    if (!proxyProtocol.from.some((peers) => peers.endsWith('/0'))) continue
    advice.push({
      path: ['listeners', index, 'proxy_protocol', 'from'],
      problem: 'believes everybody who says on whose behalf he comes',
      expected: 'the addresses of the load balancers',
    })
  }
  const { admin } = config
  if (admin !== null && admin.address.kind === 'tcp' && !isLoopback(admin.address.host)) {
    advice.push({
      path: ['admin', 'address'],
      problem: 'serves plain HTTP beyond this machine',
      expected: 'a network where everybody may see the status',
    })
  }
  if (admin !== null && admin.token !== null && isShortToken(admin.token)) {
    advice.push({ path: ['admin', 'token'], problem: 'is short enough to be guessed', expected: LONG_TOKEN })
  }
  return advice
}
