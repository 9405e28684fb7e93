/** When the manager is told what, with a stand-in for systemd-notify that writes the messages to a file. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ServiceReporter } from '../../src/daemon/service-reporter.ts'
import { NO_SYSTEMD } from '../../src/daemon/systemd-environment.ts'
import { decide } from '../net/decision-builder.ts'
import { waitFor } from '../support/condition.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

const WATCHDOG_MS = 4_000
const SCHEDULE = { members: ['node1', 'node2'], intervalMs: 500, timeoutMs: 1_000 }

let folder: string
const reporters: ServiceReporter[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-reporter-'))
  const program = join(folder, 'systemd-notify')
  writeFileSync(program, '#!/bin/sh\necho "$*" >> "$0.said"\n')
  chmodSync(program, 0o755)
})

afterEach(async () => {
  for (const reporter of reporters.splice(0)) await reporter.close()
  rmSync(folder, { recursive: true, force: true })
})

function setUp(
  notifySocket: string | null = '/run/notify',
  options: { readonly isSilent?: boolean; readonly note?: () => string } = {},
) {
  const clock = new FakeClock()
  const log = createMemoryLog()
  const reporter = new ServiceReporter({
    systemd: { ...NO_SYSTEMD, notifySocket, watchdogMs: WATCHDOG_MS },
    path: `${folder}:/usr/bin:/bin`,
    clock,
    logger: log.logger,
    schedule: () => SCHEDULE,
    ...options,
  })
  reporters.push(reporter)
  return { clock, log, reporter }
}

function said(): string[] {
  const file = join(folder, 'systemd-notify.said')
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
}

describe('ServiceReporter', () => {
  it('of a process that takes over is silent until it has, and then names it', async () => {
    const { clock, reporter } = setUp('/run/notify', { isSilent: true, note: () => '1 earlier process' })
    const serving = decide({ primary: 'node1', at: 0 })
    reporter.starting()
    reporter.takeDecision(serving, true)
    await clock.advanceSettled(10_000)
    expect(said()).toEqual([])
    reporter.takeOver()
    await waitFor('readiness', () => said().length >= 1)
    expect(said()[0]).toMatch(new RegExp(`^READY=1 MAINPID=${process.pid}( WATCHDOG=1)?$`))
    reporter.takeDecision(serving, true)
    await clock.advanceSettled(1_000)
    await waitFor('the status', () => said().some((line) => /STATUS=serving: .*; 1 earlier process/.test(line)))
  })

  it('of a process that has handed over says nothing more, not that it stops either', async () => {
    const { clock, reporter } = setUp()
    reporter.takeDecision(decide({ primary: 'node1', at: 0 }), true)
    await waitFor('readiness', () => said().some((line) => line.includes('READY=1')))
    await reporter.retire()
    const before = said()
    reporter.takeDecision(decide({ primary: null, at: 0 }), true)
    reporter.stopping({ graceMs: 1, withinMs: 2 })
    await clock.advanceSettled(10 * WATCHDOG_MS)
    expect(said()).toEqual(before)
  })

  it('is ready when every node has been asked, with a primary or without', async () => {
    const { reporter } = setUp()
    const undecided = decide({ primary: null, at: 0 })
    reporter.takeDecision(undecided, false)
    await waitFor('the status', () => said().length === 1)
    reporter.takeDecision(undecided, true)
    await waitFor('readiness', () => said().length >= 2)
    expect(said()[0]).toBe('STATUS=uncertain: nobody is primary')
    expect(said()[1]).toMatch(/^READY=1/)
  })

  it('is ready at once when a primary is proven, whoever has not been asked yet', async () => {
    const { reporter } = setUp()
    reporter.takeDecision(decide({ primary: 'node1', at: 0 }), false)
    await waitFor('readiness', () => /READY=1/.test(said().join()))
  })

  it('gives signs of life while nodes fail to answer, and none when the probes of one do not come back', async () => {
    const { clock, log, reporter } = setUp()
    reporter.takeDecision(decide({ primary: null, at: 0 }), true)
    const pass = async (elapsedMs: number, nodes: readonly string[]): Promise<void> => {
      for (let passedMs = 0; passedMs < elapsedMs; passedMs += 500) {
        for (const node of nodes) reporter.takeObservation(node)
        await clock.advanceSettled(500)
      }
    }
    await pass(60_000, SCHEDULE.members)
    await waitFor('signs of life', () => /WATCHDOG=1/.test(said().join()))
    expect(log.news()).toEqual([])

    await pass(12_000, ['node1'])
    expect(log.lines.at(-1)).toMatchObject({
      msg: 'the work stands still: the watchdog is not fed, the service manager will restart',
      problem: expect.stringMatching(/^no probe of node2 has come back for 1\d s$/),
    })
  })

  it('says that it is over in its last message, and nothing of the cluster after that', async () => {
    const { reporter } = setUp()
    reporter.takeDecision(decide({ primary: 'node1', at: 0 }), true)
    reporter.stopping({ graceMs: 30_000, withinMs: 42_000 })
    reporter.takeDecision(decide({ primary: null, at: 0 }), true)
    await reporter.close()
    expect(said().at(-1)).toMatch(
      /^STOPPING=1 EXTEND_TIMEOUT_USEC=42000000 STATUS=draining: running sessions may go on for up to 30 s/,
    )
  })

  it('does and starts nothing when nobody wants reports', async () => {
    const { clock, reporter } = setUp(null)
    reporter.starting()
    reporter.takeDecision(decide({ primary: 'node1', at: 0 }), true)
    reporter.stopping({ graceMs: 0, withinMs: 1_000 })
    await reporter.close()
    expect([said(), clock.pendingCount]).toEqual([[], 0])
  })
})
