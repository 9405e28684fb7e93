/**
 * P5, load: pgbench in every mode of the protocol, over sessions that last and over one for each transaction.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { programsAvailable, runProgram } from './programs.ts'
import { Scene, tellOnFailure } from './scene.ts'

const CLIENT_COUNT = 8
/** Fewer where each has its own log-in, which costs both sides some 10 ms of SCRAM. */
const LASTING = { flags: [], each: 100 }
const FRESH = { flags: ['-C'], each: 10 }

let scene: Scene

describe.skipIf(leftOut('pgbench', programsAvailable('pgbench')))('pgbench through the proxy', () => {
  beforeAll(async () => {
    scene = await Scene.open({ nodes: 2 })
    const made = await runProgram('pgbench', ['-i', '-q', '-s', '1'], { target: scene.target })
    expect(made.code, made.stderr).toBe(0)
  })

  afterAll(async () => {
    await scene.close()
  })

  for (const mode of ['simple', 'extended', 'prepared']) {
    for (const [sessions, { flags, each }] of [
      ['lasting sessions', LASTING],
      ['a session for each transaction', FRESH],
    ] as const) {
      it(`has no failure in mode ${mode} with ${sessions}`, async () => {
        tellOnFailure(() => scene)
        const wanted = CLIENT_COUNT * each
        const args = ['-n', '-M', mode, '-c', String(CLIENT_COUNT), '-t', String(each), ...flags]
        const { code, stdout, stderr } = await runProgram('pgbench', args, { target: scene.target })
        expect(code, stderr).toBe(0)
        expect(stdout).toContain(`number of transactions actually processed: ${wanted}/${wanted}`)
        expect(stdout).toContain('number of failed transactions: 0 (0.000%)')
      })
    }
  }

  it('leaves the sums as they must be and no session behind', async () => {
    const sums = await scene.node('node1').query(
      `SELECT (SELECT sum(abalance) FROM pgbench_accounts) AS accounts, (SELECT sum(tbalance) FROM pgbench_tellers) AS tellers,
         (SELECT sum(delta) FROM pgbench_history) AS deltas, (SELECT count(*)::int FROM pgbench_history) AS count`,
      { database: 'einvoice' },
    )
    const [{ accounts, tellers, deltas, count } = {}] = sums
    expect([accounts, tellers]).toEqual([deltas, deltas])
    expect(count).toBe(3 * CLIENT_COUNT * (LASTING.each + FRESH.each))
    const { sessions } = await scene.waitForStatus('no session', ({ sessions: { active } }) => active === 0)
    expect(sessions.ended).toMatchObject({ finished: sessions.accepted })
  })
})
