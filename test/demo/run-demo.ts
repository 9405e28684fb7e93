/**
 * One run of the demo from an empty folder to the result: stage, application, scenario, count. Wires the parts together
 * and takes them apart again whatever happens. Prints to the given stream; never ends the process.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { LogRecord } from '../support/proxy-process.ts'
import { AppNarrator } from './app-narrator.ts'
import { Application } from './application.ts'
import { Ledger } from './ledger.ts'
import { loggedAt, proxySentence } from './proxy-sentence.ts'
import { renderResult } from './result-table.ts'
import { readNumbers, Scenario } from './scenario.ts'
import { Screen, type Source } from './screen.ts'
import { raiseStage, type Stage } from './stage.ts'
import { type Tally, tally } from './tally.ts'
import { renderTicker } from './ticker.ts'
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
  /** Ends the run early: it rejects then, having cleared up. */
  readonly signal: AbortSignal
}

/** Something hangs if it takes longer than this; a run takes half a minute. */
const TIMEOUT_MS = 120_000

const OBSERVE_MS = 50

/** Resolves with the result, good or bad. Rejects when it could not be played to its end; nothing is left then either. */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const startedAt = performance.now()
  const ledger = new Ledger()
  let app: Application | null = null
  let stage: Stage | null = null
  let proxyState = 'starting'
  const screen = new Screen(options.stream, startedAt, (columns) =>
    renderTicker({
      writeTimes: ledger.writeTimes,
      now: performance.now(),
      connectingCount: app?.connectingCount ?? 0,
      proxyState,
      columns,
    }),
  )
  const tell = (source: Source, text: string, at = performance.now()) => screen.add({ at, source, text })
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal, AbortSignal.timeout(TIMEOUT_MS)])
  const observers: NodeJS.Timeout[] = []
  const observe = (look: () => void) => observers.push(setInterval(look, OBSERVE_MS))

  try {
    screen.print(introduction(screen))
    stage = await raiseStage()
    signal.throwIfAborted()
    const { cluster, proxy, config, binaries, fallback } = stage
    if (fallback !== null) tell('cluster', `PostgreSQL of this system: ${fallback}`)
    tell('cluster', `PostgreSQL ${binaries.version} (${binaries.kind}) is up: node1 the primary, node2 its standby`)
    void proxy.exited.then(() => failed.abort(new Error(`the proxy ended\n${proxy.tail()}`)))

    let seenCount = 0
    const readLog = () => {
      for (const record of proxy.log.slice(seenCount)) {
        seenCount += 1
        const sentence = proxySentence(record)
        if (sentence === null) continue
        const at = loggedAt(record, performance.timeOrigin) ?? performance.now()
        screen.add({ at, source: 'proxy', ...sentence })
        proxyState = stateOf(record) ?? proxyState
      }
    }
    const narrator = new AppNarrator()
    const tellApp = (sentences: ReturnType<AppNarrator['take']>) => {
      for (const { text, at } of sentences) tell('app', text, at)
    }
    observe(readLog)
    observe(() => tellApp(narrator.flush(performance.now())))
    app = new Application({
      address: { host: '127.0.0.1', port: config.primaryPort },
      login: cluster.application,
      nodeOf: (port) => cluster.nodes.find((node) => node.port === port)?.name ?? `port ${port}`,
      onEvent: (event) => {
        ledger.record(event)
        tellApp(narrator.take(event))
      },
    })
    app.start()
    screen.isTickerOn = true

    const scenario = new Scenario({
      cluster,
      proxy,
      ledger,
      step: (title) => tell('step', title),
      tell: (text, at) => tell('cluster', text, at),
      pause: async (durationMs) => {
        await delay(durationMs, undefined, { signal })
      },
    })
    const facts = await scenario.play()
    await app.stop()
    const stoppedAt = performance.now()
    const lastPrimary = cluster.node(facts.disturbances.at(-1)?.node ?? facts.initialPrimary)
    const rowsAtEnd = await readNumbers(cluster, lastPrimary)
    const counted = tally({ ...facts, events: ledger.events, stoppedAt, rowsAtEnd })
    readLog()
    await clearUp()
    const broken = brokenPromises(counted)
    const result: DemoResult = {
      promisesKept: broken.length === 0,
      broken,
      ...counted,
      postgresVersion: binaries.version,
      binaries: binaries.kind,
      durationSeconds: Math.round((performance.now() - startedAt) / 100) / 10,
    }
    if (options.showResult) screen.print(['', ...renderResult(result), '', ...conclusion(screen, result)])
    return result
  } catch (error) {
    // What the signal says is the cause; what broke because of it is not.
    throw signal.aborted ? signal.reason : error
  } finally {
    await clearUp()
  }

  async function clearUp(): Promise<void> {
    for (const observer of observers.splice(0)) clearInterval(observer)
    screen.close()
    await app?.stop(signal.aborted ? 0 : 2_000)
    await stage?.strike()
  }
}

function introduction(screen: Screen): readonly string[] {
  return [
    screen.paint('bold', 'pgha-proxy demo: an application writes through the proxy while its PostgreSQL primary dies.'),
    'Two real PostgreSQL servers with streaming replication on loopback, the proxy from the code that ships,',
    'an application with 4 long-lived sessions and 4 writers that connect anew for each write.',
    "Replication is synchronous while there is a standby, so that a lost write would be nobody's fault but the",
    "proxy's. repmgr itself does not run: its table is imitated, and this script promotes where repmgrd would.",
    '',
  ]
}

function conclusion(screen: Screen, { broken, durationSeconds }: DemoResult): readonly string[] {
  if (broken.length === 0) return [screen.paint('green', `All promises kept. (${durationSeconds} s)`)]
  return [screen.paint('red', 'Promises broken:'), ...broken.map((sentence) => `  ${sentence}`)]
}

/** `serving node2`, `no-primary`; `null` unless the record tells a decision. */
function stateOf(record: LogRecord): string | null {
  if (record.msg !== 'decision') return null
  const { state, primary } = record as { readonly state?: unknown; readonly primary?: unknown }
  return primary === null ? String(state) : `${state} ${primary}`
}
