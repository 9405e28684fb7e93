/** The start of a process that is to take over, with programs of a few lines in its place. */
import { afterEach, describe, expect, it } from 'vitest'
import { bequeath } from '../../src/daemon/inheritance.ts'
import { Successor } from '../../src/daemon/successor.ts'
import { waitFor } from '../support/condition.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { descendantsOf, processTable, waitUntilGone } from '../support/process-tree.ts'

const STATE = { epoch: null, fenced: [] }
const successors: Successor[] = []

afterEach(async () => {
  for (const successor of successors.splice(0)) {
    successor.giveUp('the test is over')
    await successor.ended
    successor.release()
  }
})

/** The script has `tell(message)`, and `heard(handler)`. */
function start(script: string, options: { readonly isServing?: () => boolean; readonly command?: string } = {}) {
  const clock = new FakeClock()
  const prelude = 'const tell = (message) => process.send(message); const heard = (h) => process.on("message", h);'
  const successor = new Successor({
    program: { command: options.command ?? process.execPath, args: ['-e', `${prelude}${script}`] },
    legacy: bequeath({
      pid: process.pid,
      version: '0',
      startedAt: '',
      listeners: [],
      passed: [],
      admin: null,
      notifySocket: null,
      watchdogMs: null,
      state: STATE,
    }),
    environment: process.env,
    clock,
    timeoutMs: 30_000,
    isServing: options.isServing ?? (() => true),
  })
  successors.push(successor)
  return { clock, successor }
}

const standing = (isSettled: boolean, isServing: boolean): string =>
  `tell({ kind: "standing", isSettled: ${isSettled}, isServing: ${isServing} });`
const TAKE_OVER = 'heard((m) => { if (m.kind === "take-over") tell({ kind: "taken-over", graceMs: 5000 }) });'
const STAY = 'setInterval(() => {}, 1000);'

describe('a successor', () => {
  it('takes over when it has asked every node, and has a primary', async () => {
    const { successor } = start(TAKE_OVER + standing(true, true))
    expect(await successor.outcome).toEqual({ kind: 'taken-over', graceMs: 5000 })
  })

  it('needs no primary where this process has none, also when that changes', async () => {
    let isServing = true
    const { successor } = start(`${TAKE_OVER}${standing(true, false)}tell({ kind: "words", text: "x" })`, {
      isServing: () => isServing,
    })
    const early = await Promise.race([
      successor.outcome,
      new Promise((resolve) => {
        const look = setInterval(() => {
          successor.reconsider()
          if (!isServing) return
          isServing = false
          clearInterval(look)
          resolve('waits')
        }, 50)
      }),
    ])
    expect(early).toBe('waits')
    await waitFor('it to take over', async () => {
      successor.reconsider()
      return await Promise.race([successor.outcome, null])
    })
    expect(await successor.outcome).toMatchObject({ kind: 'taken-over' })
  })

  it('that ends fails, with its exit code and what it said', async () => {
    const script =
      'tell({ kind: "words", text: "one fault\\n\\nanother\\n" }); tell({ kind: "ending", exitCode: 2 }); process.disconnect()'
    expect(await start(script).successor.outcome).toEqual({
      kind: 'failed',
      problem: 'it ended with exit code 2',
      words: ['one fault', 'another'],
    })
  })

  it('that is killed fails', async () => {
    const { successor } = start('process.kill(process.pid, "SIGKILL")')
    expect(await successor.outcome).toMatchObject({ kind: 'failed', problem: 'it ended by a crash, or was killed' })
  })

  it('that does not exist is an error', () => {
    expect(() => start('', { command: '/nonexistent/node' })).toThrow('ENOENT')
  })

  it('is not a child of this process', async () => {
    const { successor } = start(STAY)
    const pid = await successor.pid
    await waitFor('its shell to end', () => processTable().find((each) => each.pid === pid)?.parentPid, {
      until: (parentPid) => parentPid !== undefined && !descendantsOf(process.pid).includes(pid ?? 0),
    })
  })

  it.each([
    ['', 'it has not asked every node yet'],
    [standing(true, false), 'it finds no primary'],
    [standing(true, true), 'it does not open its listeners'],
  ])('that is not ready in time is killed (%s)', async (script, missing) => {
    const { clock, successor } = start(`${script}tell({ kind: "state", state: { epoch: null, fenced: [] } });${STAY}`)
    let hasSpoken = false
    successor.onHeard(() => {
      hasSpoken = true
    })
    await waitFor('its words', () => hasSpoken)
    await clock.advanceSettled(30_000)
    expect(await successor.outcome).toMatchObject({
      kind: 'failed',
      problem: `it was not ready within 30 s: ${missing}`,
    })
    await waitUntilGone([(await successor.pid) ?? 0])
  })

  it('may say what this version does not know', async () => {
    const { successor } = start(`tell("?"); tell({ kind: "later" }); ${TAKE_OVER}${standing(true, true)}`)
    expect(await successor.outcome).toMatchObject({ kind: 'taken-over' })
  })
})
