/**
 * What every container scenario expects in the end. Test support.
 */
import { expect } from 'vitest'
import type { DockerCluster } from './docker-cluster.ts'
import type { Verdict } from './verdict.ts'

/**
 * Every client has written on `primary`, no promise was broken, and no held session went away in vain. Ends the clients.
 */
export async function expectKept(cluster: DockerCluster, primary: string): Promise<Verdict> {
  const verdict = await cluster.verdict(primary)
  expect(verdict.violations).toEqual([])
  const { sessions } = await cluster.proxy.status()
  expect(sessions.ended).toMatchObject({ 'hold-expired': 0, 'hold-queue-full': 0, 'landed-on-standby': 0 })
  expect(sessions.held).toBe(0)
  return verdict
}
