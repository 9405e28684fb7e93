/**
 * One run of the demo from an empty folder to the result: stage, application, scenario, count. Wires the parts together
 * and takes them apart again whatever happens. Prints to the given stream; never ends the process.
 */
import { Application } from './application.ts'
import { renderResult } from './result-table.ts'
import { readNumbers, Scenario } from './scenario.ts'
import type { Screen } from './screen.ts'
import { raiseStage, type Stage } from './stage.ts'
import { Story } from './story.ts'
import { type Tally, tally } from './tally.ts'
import { brokenPromises } from './verdict.ts'

/** What `--json` prints. */
export interface DemoResult extends Tally {
  readonly promisesKept: boolean
  /** One sentence for each promise that was broken. */
  readonly broken: readonly string[]
  readonly postgresVersion: string
  readonly binaries: 'npm' | 'system'
  readonly durationSeconds: number
}

export interface DemoOptions {
  /** Where the story goes. */
  readonly stream: NodeJS.WriteStream
  /** Whether the result is told there as well. */
  readonly showResult: boolean
  /** Ends the run early: it rejects then with the signal's reason, having cleared up. */
  readonly signal: AbortSignal
}

/** Something hangs if it takes longer than this; a run takes less than half a minute. */
const TIMEOUT_MS = 120_000

/** Resolves with the result, good or bad. Rejects when it could not be played to its end; nothing is left then either. */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const startedAt = performance.now()
  const story = new Story(options.stream, startedAt)
  story.screen.print(introduction(story.screen))
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal, AbortSignal.timeout(TIMEOUT_MS)])
  let stage: Stage | null = null
  try {
    stage = await raiseStage(signal)
    void stage.proxy.exited.then(() => failed.abort(new Error(`the proxy ended\n${stage?.proxy.tail()}`)))
    const counted = await playAndCount(stage, story, signal)
    await stage.strike()
    const { version, kind } = stage.binaries
    const broken = brokenPromises(counted)
    const durationSeconds = Math.round((performance.now() - startedAt) / 100) / 10
    const promisesKept = broken.length === 0
    const result = { promisesKept, broken, ...counted, postgresVersion: version, binaries: kind, durationSeconds }
    story.end()
    if (options.showResult) {
      story.screen.print(['', ...renderResult(counted), '', ...conclusion(story.screen, result)])
    }
    return result
  } catch (error) {
    // What the signal says is the cause; what broke because of it is not.
    throw signal.aborted ? signal.reason : error
  } finally {
    story.end()
    await stage?.strike()
  }
}

async function playAndCount(stage: Stage, story: Story, signal: AbortSignal): Promise<Tally> {
  const { cluster, proxy, config, binaries, fallback } = stage
  const { ledger } = story
  if (fallback !== null) story.tell('cluster', `PostgreSQL is this system's own: ${fallback}`)
  story.tell('cluster', `PostgreSQL ${binaries.version} (${binaries.kind}) is up: node1 the primary, node2 its standby`)
  story.follow(proxy)
  const app = new Application({
    address: { host: '127.0.0.1', port: config.primaryPort },
    login: cluster.application,
    nodeOf: (port) => cluster.nodes.find((node) => node.port === port)?.name ?? `port ${port}`,
    onEvent: (event) => story.record(event),
  })
  const scenario = new Scenario({
    cluster,
    proxy,
    ledger,
    step: (title) => story.tell('step', title),
    tell: (text, at) => story.tell('cluster', text, at),
    signal,
  })
  try {
    app.start()
    story.showRate(() => app.connectingCount)
    const facts = await scenario.play()
    await app.stop()
    const stoppedAt = performance.now()
    const rowsAtEnd = await readNumbers(cluster, scenario.lastPrimary)
    const { firstRouted } = story
    return tally({ ...facts, events: ledger.events, firstRouted, stoppedAt, rowsAtEnd })
  } finally {
    await app.stop(0)
  }
}

function introduction(screen: Screen): readonly string[] {
  return [
    screen.paint('bold', 'pgha-proxy demo: an application writes through the proxy while its PostgreSQL primary dies.'),
    'Two real PostgreSQL servers with streaming replication on loopback, the proxy from the code that ships,',
    'an application with 4 long-lived sessions and 4 writers that connect anew for each write.',
    'Replication is synchronous while there is a standby, so that any write that is lost is lost by the proxy.',
    'repmgr itself does not run: its table is imitated, and this script promotes where repmgrd would.',
    '',
  ]
}

function conclusion(screen: Screen, { broken, durationSeconds }: DemoResult): readonly string[] {
  if (broken.length === 0) return [screen.paint('green', `All promises kept. (${durationSeconds} s)`)]
  return [screen.paint('red', 'Promises broken:'), ...broken.map((sentence) => `  ${sentence}`)]
}
