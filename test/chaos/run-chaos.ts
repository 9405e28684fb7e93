/**
 * A whole chaos run, inside its namespaces: stage, clients, episodes until the time is over, check of the history, table.
 * Test support.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { APPLICATION_LOGIN } from '../support/roles.ts'
import { type ChaosFigures, enoughHappened, formatFaults } from './chaos-figures.ts'
import { checkHistory } from './check-history.ts'
import { startClients } from './clients.ts'
import { writeDocs } from './docs-table.ts'
import { type EpisodeReport, playEpisode } from './episode.ts'
import { loadFinalState, monotonicMs, readHistory, writeFinalState } from './history-file.ts'
import { ADDRESSES, DATA_NODES, PROXIES, STANDBY_PORT, WRITE_PORT } from './hosts.ts'
import { formatReport } from './report.ts'
import { planEpisode } from './schedule.ts'
import { ChaosStage } from './stage.ts'
import { readFinalState } from './tables.ts'

/** What to do. */
export interface ChaosSettings {
  readonly folder: string
  readonly minutes: number
  readonly seed: number
  /** This episode alone. */
  readonly only: number | null
  readonly writesDocs: boolean
}

/** Exit code 0 only when no promise was broken and enough happened. */
export async function runChaos(settings: ChaosSettings, say: (line: string) => void): Promise<number> {
  const { folder, minutes, seed, only } = settings
  say(`npm run chaos -- --minutes ${minutes} --seed ${seed}${only === null ? '' : ` --episode ${only}`}`)
  const startedAt = monotonicMs()
  const stage = await ChaosStage.open(folder).catch((error: unknown) => {
    // What it has started ends with its namespaces.
    say(`the run broke off: the stage cannot be set up: ${(error as Error).message}`)
    return null
  })
  if (stage === null) return 1
  say(`three nodes, a witness and two proxies after ${Math.round((monotonicMs() - startedAt) / 1000)} s`)
  const reports: EpisodeReport[] = []
  const problems: string[] = []
  let mebibytes = 0
  try {
    problems.push(...(await playAll(stage, settings, reports, say)))
    const { primary } = stage
    writeFinalState(stage.historyFolder, await readFinalState(primary, (sql) => stage.queryFinal(primary, sql)))
    for (const proxy of stage.proxies.values()) problems.push(...proxy.unexpectedEnds)
  } catch (error) {
    problems.push(`the run broke off: ${(error as Error).stack}`)
  } finally {
    mebibytes = sizeOf(folder)
    keepLogs(stage)
    await stage.close()
  }
  const history = await readHistory(stage.historyFolder)
  const result = checkHistory(history, loadFinalState(stage.historyFolder))
  const seconds = (monotonicMs() - startedAt) / 1000
  const figures: ChaosFigures = { seed, seconds, cpuSeconds: cpuSeconds(), mebibytes, reports, clients: result.figures }
  for (const line of formatFaults(figures)) say(line)
  for (const line of formatReport(result, startedAt)) say(line)
  if (only === null) problems.push(...enoughHappened(figures, minutes))
  for (const problem of problems) say(problem)
  const isGood = result.violations.length === 0 && problems.length === 0
  if (settings.writesDocs && isGood) writeDocs(figures, minutes)
  return isGood ? 0 : 1
}

/** Episodes until the time is over; gives what the clients complained of. */
async function playAll(
  stage: ChaosStage,
  { minutes, seed, only }: ChaosSettings,
  reports: EpisodeReport[],
  say: (line: string) => void,
): Promise<readonly string[]> {
  const clients = await startClients({
    launcher: stage.clientHost.launcher,
    proxies: PROXIES.map((name) => {
      return { name, address: ADDRESSES[name], writePort: WRITE_PORT, standbyPort: STANDBY_PORT }
    }),
    nodes: DATA_NODES.map((name) => ({ name, address: ADDRESSES[name] })),
    login: APPLICATION_LOGIN,
    historyFolder: stage.historyFolder,
  })
  const phase = (name: 'started' | 'finished') =>
    stage.history.write({ kind: 'phase', at: monotonicMs(), episode: 0, phase: name, detail: `seed ${seed}` })
  phase('started')
  const endAt = monotonicMs() + minutes * 60_000
  try {
    for (let index = only ?? 0; monotonicMs() < endAt && index <= (only ?? index); index += 1) {
      reports.push(await playEpisode(stage, planEpisode(seed, index), clients, say))
    }
  } finally {
    await clients.stop()
    phase('finished')
  }
  return clients.complaints().map((complaint) => `a client said: ${complaint}`)
}

/** The servers' logs, which go with their nodes otherwise. */
function keepLogs(stage: ChaosStage): void {
  for (const node of stage.nodes.values()) {
    const folder = join(stage.folder, 'logs', node.name)
    mkdirSync(folder, { recursive: true })
    const logs = ['server.log', 'repmgrd.log'].filter((log) => existsSync(join(node.socketFolder, log)))
    for (const log of logs) cpSync(join(node.socketFolder, log), join(folder, log))
  }
}

/** Of all processes inside: those that ended belong to this one or to the first. In hundredths of a second by the kernel. */
function cpuSeconds(): number {
  const ticks = ['/proc/self/stat', '/proc/1/stat'].flatMap((path) => {
    const text = readFileSync(path, 'latin1')
    // Fields 14 to 17, by themselves and by those they waited for; the second field may hold blanks.
    return text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 15)
      .map(Number)
  })
  return ticks.reduce((sum, each) => sum + each, 0) / 100
}

function sizeOf(folder: string): number {
  const { stdout } = spawnSync('du', ['-sm', folder], { encoding: 'utf8' })
  return Number.parseInt(stdout, 10)
}
