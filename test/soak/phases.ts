/**
 * What happens on the stage of a soak. Test support. Each phase begins and ends with nobody connected, and gives what the
 * clients saw; what must not be is a complaint, and fails the soak as a leak does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../support/condition.ts'
import type { Phase, SoakOptions } from './options.ts'
import type { SoakStage } from './stage.ts'
import type { StandingReport } from './standing-clients.ts'

/** What came out of a phase: figures for people, and what was wrong. */
export interface PhaseOutcome {
  readonly figures: Readonly<Record<string, number>>
  readonly complaints: readonly string[]
}

type PhaseRun = (stage: SoakStage, options: SoakOptions) => Promise<PhaseOutcome>

/** How fast standing sessions are opened. */
const OPEN_PER_SECOND = 1_000
const OPEN_TIMEOUT_MS = 600_000
/** One rude client for so many well-behaved ones. */
const RUDE_SHARE = 10
/** Reloads in one phase of passing sessions. */
const RELOADS = 3
/** How sessions may end that were there when the primary was lost: by our own words, or as the server's host did. */
const LOSSES = ['57P01', '08006']

/** By name. */
export const RUN_PHASE: Readonly<Record<Phase, PhaseRun>> = { standing, passing, failover }

/** Everybody comes, stays, and leaves. Among the busy ones some read slowly, and some cancel what they asked. */
async function standing(stage: SoakStage, options: SoakOptions): Promise<PhaseOutcome> {
  const leaveStream = await stage.watch()
  const before = stage.pids
  await openAll(stage, options, false)
  const { sample, scrapeMs } = await stage.look()
  // Time is what this phase is about: sessions that stay.
  await delay(options.holdSeconds * 1000)
  const [idle, busy] = [await stage.idle.leave(), await stage.busy.leave()]
  leaveStream()
  return {
    figures: {
      sessions: options.idle + options.busy,
      processes: before.length,
      rssMiB: sample.rssBytes / 2 ** 20,
      pssMiB: sample.pssBytes / 2 ** 20,
      files: sample.files,
      scrapeMs: scrapeMs ?? Number.NaN,
      loginP50Ms: idle.loginMs.p50,
      loginP99Ms: idle.loginMs.p99,
      answers: busy.answers,
      answerP50Ms: busy.answerMs.p50,
      answerP99Ms: busy.answerMs.p99,
      canceled: busy.canceled,
      slowAnswers: busy.bulkAnswers,
    },
    complaints: [
      ...lost('idle', idle, []),
      ...lost('busy', busy, []),
      ...(options.busy > 0 && busy.answers === 0 ? ['busy sessions got no answer'] : []),
      ...(options.busy > 0 && busy.canceled === 0 ? ['no cancel request reached its statement'] : []),
    ],
  }
}

/** New sessions at a steady rate, rude clients among them, and a new configuration now and then. */
async function passing(stage: SoakStage, options: SoakOptions): Promise<PhaseOutcome> {
  const { rate, cycles, sessions } = options
  const count = Math.ceil(sessions / cycles)
  const startedAt = performance.now()
  await stage.rude.start({ target: stage.realTarget, perSecond: Math.max(1, rate / RUDE_SHARE) })
  await stage.passing.start({ targets: targets(stage, options), perSecond: rate, count })
  const reloads = reloadNowAndThen(stage, (1000 * count) / rate / (RELOADS + 1))
  const report = await stage.passing.finished()
  const seconds = (performance.now() - startedAt) / 1000
  const complaints = await reloads
  const rude = await stage.rude.leave()
  return {
    figures: {
      sessions: report.done,
      perSecond: report.done / seconds,
      sessionP50Ms: report.sessionMs.p50,
      sessionP99Ms: report.sessionMs.p99,
      skipped: report.skipped,
      rude: rude.started,
    },
    complaints: [
      ...complaints,
      ...Object.entries(report.ended).map(([why, times]) => `passing: ${times} sessions ended by ${why}`),
      ...(rude.stuck > 0 ? [`rude: ${rude.stuck} clients were never let go`] : []),
    ],
  }
}

/** The primary is lost under everybody, and everybody comes back to the other one. */
async function failover(stage: SoakStage, options: SoakOptions): Promise<PhaseOutcome> {
  await openAll(stage, options, true)
  await stage.passing.start({ targets: targets(stage, options), perSecond: options.rate, count: null })
  const lostAt = performance.now()
  await stage.failOver()
  const servedAt = performance.now()
  await waitForOpen(stage, options)
  const backAt = performance.now()
  const passed = await stage.passing.leave()
  const [idle, busy] = [await stage.idle.leave(), await stage.busy.leave()]
  await stage.bringBack()
  return {
    figures: {
      ended: sum(idle.ended) + sum(busy.ended),
      servedAfterMs: servedAt - lostAt,
      allBackAfterMs: backAt - lostAt,
      passed: passed.done,
      passedCutShort: sum(passed.ended),
    },
    complaints: [
      ...lost('idle', idle, LOSSES),
      ...lost('busy', busy, LOSSES, slowReaders(options)),
      ...lost('passing', passed, LOSSES),
      ...(sum(idle.ended) < options.idle ? ['idle sessions outlived their server'] : []),
    ],
  }
}

async function openAll(stage: SoakStage, options: SoakOptions, comesBack: boolean): Promise<void> {
  const { idle, busy, queries } = options
  await stage.idle.start({
    target: stage.frontTarget,
    count: idle,
    openPerSecond: OPEN_PER_SECOND,
    queriesPerSecond: 0,
    slowReaders: 0,
    cancelers: 0,
    comesBack,
  })
  await stage.busy.start({
    target: stage.realTarget,
    count: busy,
    openPerSecond: OPEN_PER_SECOND,
    queriesPerSecond: queries,
    slowReaders: slowReaders(options),
    cancelers: slowReaders(options),
    comesBack,
  })
  await waitForOpen(stage, options)
}

async function waitForOpen(stage: SoakStage, { idle, busy }: SoakOptions): Promise<void> {
  const open = async () => [(await stage.idle.report())?.open, (await stage.busy.report())?.open]
  const isAll = ([idleNow, busyNow]: readonly (number | undefined)[]): boolean => idleNow === idle && busyNow === busy
  await waitFor(`${idle} idle and ${busy} busy sessions`, open, {
    until: isAll,
    timeoutMs: OPEN_TIMEOUT_MS,
    intervalMs: 50,
  })
}

/** Most new sessions are answered by the front: a server that forks for each would be all that is measured. */
function targets(stage: SoakStage, { realEvery }: SoakOptions) {
  return Array.from({ length: realEvery }, (_, index) => (index === 0 ? stage.realTarget : stage.frontTarget))
}

/** As many cancel what they ask. */
function slowReaders({ busy }: SoakOptions): number {
  return Math.min(10, Math.ceil(busy / 50))
}

/** Gives what went wrong. */
async function reloadNowAndThen(stage: SoakStage, everyMs: number): Promise<readonly string[]> {
  const complaints: string[] = []
  for (let round = 0; round < RELOADS; round += 1) {
    await delay(everyMs)
    await stage.reload().catch((error: unknown) => complaints.push(`reload: ${(error as Error).message}`))
  }
  return complaints
}

/** `cutShort`: so many were in the middle of a message, into which nothing may be written. */
function lost(
  who: string,
  { ended }: Pick<StandingReport, 'ended'>,
  allowed: readonly string[],
  cutShort = 0,
): string[] {
  return Object.entries(ended)
    .filter(([why, times]) => !allowed.includes(why) && !(why === 'end of file' && times <= cutShort))
    .map(([why, times]) => `${who}: ${times} sessions ended by ${why}`)
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
