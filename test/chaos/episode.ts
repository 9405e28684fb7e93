/**
 * Plays one episode of a chaos run: its faults, each for its time, then the healing, then the wait until every client has
 * been served. Test support. Writes each step into the history; what it means is the checker's to say.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../support/condition.ts'
import type { Episode, PlannedFault } from './fault.ts'
import { FAULT_TABLE } from './fault-table.ts'
import { monotonicMs } from './history-file.ts'
import { repair } from './operator.ts'
import type { ChaosStage } from './stage.ts'

/** The promise is that everybody is served within so much once all is well. */
const LIVENESS_BOUND_MS = 20_000
const CALM_MS = 1_000
/** In an episode; for the numbers by which the history names them. */
const FAULTS_MAX = 100

/** How a client's life is followed. */
export interface ServedClients {
  readonly names: readonly string[]
  lastAcknowledgedAt(client: string): number
}

/** What went on, for the table at the end. */
export interface EpisodeReport {
  readonly faults: readonly { readonly kind: string; readonly problem: string | null }[]
  readonly primaryBefore: string
  readonly primaryAfter: string
}

/** Rejects only when the stage itself cannot go on. */
export async function playEpisode(
  stage: ChaosStage,
  episode: Episode,
  clients: ServedClients,
  say: (line: string) => void,
): Promise<EpisodeReport> {
  const phase = (name: 'faults' | 'healing' | 'healed' | 'calm', detail = '') =>
    stage.history.write({ kind: 'phase', at: monotonicMs(), episode: episode.index, phase: name, detail })
  const primaryBefore = stage.primary
  say(`episode ${episode.index}: ${primaryBefore} is primary`)
  phase('faults')
  const startedAt = monotonicMs()
  const befallen = episode.faults.map((planned, index) =>
    befall(stage, planned, episode.index * FAULTS_MAX + index, startedAt, say),
  )
  const problems = await Promise.all(befallen)
  phase('healing')
  const healingAt = monotonicMs()
  const primaryAfter = await repair(stage, episode.repair, say)
  phase('healed', primaryAfter)
  const healedAt = monotonicMs()
  // Some come seldom: what they ask is the checker's to judge, and is not waited for.
  const often = clients.names.filter((name) => !/^(?:idle|crowd)/.test(name))
  const waiting = () => often.filter((name) => clients.lastAcknowledgedAt(name) < healedAt)
  await waitFor('every client to be served', waiting, {
    timeoutMs: LIVENESS_BOUND_MS,
    intervalMs: 50,
    until: (seen) => seen.length === 0,
  }).catch(() => say(`not served within ${LIVENESS_BOUND_MS} ms: ${waiting().join(', ')}`))
  const servedMs = monotonicMs() - healedAt
  await delay(CALM_MS)
  phase('calm')
  say(
    `  repaired in ${seconds(healedAt - healingAt)}, ${primaryAfter} is primary, all served ${seconds(servedMs)} later`,
  )
  const faults = episode.faults.map(({ kind }, index) => ({ kind, problem: problems[index] ?? null }))
  return { faults, primaryBefore, primaryAfter }
}

/** One fault, from its time to its end; what went wrong with it, if anything. */
async function befall(
  stage: ChaosStage,
  planned: PlannedFault,
  id: number,
  startedAt: number,
  say: (line: string) => void,
): Promise<string | null> {
  await delay(planned.atMs)
  const { target, detail, effect, begin, end, isBrief } = FAULT_TABLE[planned.kind](stage, planned)
  const tell = (phase: 'begin' | 'end') =>
    stage.history.write({ kind: 'fault', at: monotonicMs(), id, fault: planned.kind, phase, target, detail, effect })
  tell('begin')
  const beganAt = monotonicMs()
  let problem: string | null = null
  try {
    await begin()
    if (isBrief !== true) await delay(planned.durationMs)
  } catch (error) {
    problem = (error as Error).message.split('\n', 1)[0] ?? ''
  }
  await end()
  tell('end')
  const [at, duration] = [seconds(beganAt - startedAt), seconds(monotonicMs() - beganAt)]
  say(`  ${at.padStart(7)} for ${duration.padStart(7)}  ${planned.kind.padEnd(25)} ${target}: ${problem ?? detail}`)
  return problem
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
