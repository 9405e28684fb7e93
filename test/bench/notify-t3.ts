/**
 * `node test/bench/notify-t3.ts [ROUNDS [INTERVAL]]`: does `event_notification_command` bring T3 down? Failovers by real repmgrd, with
 * the hook off, as `pgha-proxy notify` and as `curl`, in turns on one cluster. Prints the figures of
 * docs/repmgr-events.md: from the end of recovery to the first session on the new primary, and when repmgr's first word
 * of the promotion arrived, counted from the same moment.
 */
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import pg from 'pg'
import { notifyToken } from '../../src/admin/notify-token.ts'
import { RecoveryWatch } from '../scenarios/recovery-watch.ts'
import { ProxyScene, trustApplication } from '../scenarios/scene.ts'
import { freePort } from '../support/free-port.ts'
import type { LogRecord } from '../support/proxy-process.ts'
import { createRepmgrCluster, type RepmgrCluster } from '../support/repmgr-cluster.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'
import { giveToServerUser } from '../support/server-user.ts'
import { makeServerFolder } from '../support/temp-folder.ts'
import { BUILT } from './built.ts'
import { summarize } from './statistics.ts'

const MODES = ['off', 'notify', 'curl'] as const
type Mode = (typeof MODES)[number]

interface Round {
  readonly t3Ms: number
  /** From the end of recovery to the arrival of `standby_promote`; `null` when the hook is off. */
  readonly toldMs: number | null
}

const rounds = Number(process.argv[2] ?? 5)
/** Given, it becomes `monitor.interval`, and no client comes whose refused dial would tell the proxy: T3 ends with the proof. */
const idleInterval = process.argv[3] ?? null
const folder = makeServerFolder('bench-notify')
const adminPort = await freePort()
const command = writeHook()
const cluster = await createRepmgrCluster({
  nodes: 2,
  application: true,
  repmgrSettings: { event_notification_command: command },
})
try {
  trustApplication(cluster.nodes)
  const scene = await ProxyScene.inFrontOf(cluster, {
    admin: { address: `127.0.0.1:${adminPort}` },
    ...(idleInterval === null ? {} : { monitor: { interval: idleInterval, decision_ttl: '60s' } }),
  })
  try {
    const results = new Map<Mode, Round[]>(MODES.map((mode) => [mode, []]))
    let [from, to] = ['node1', 'node2']
    for (let round = 0; round < rounds; round += 1) {
      for (const mode of MODES) {
        const result = await failOver(scene, cluster, { from, to, mode })
        results.get(mode)?.push(result)
        print(`${mode}: T3 ${result.t3Ms.toFixed(0)} ms, told after ${result.toldMs?.toFixed(0) ?? '-'} ms`)
        await takeBack(cluster, from, to)
        await scene.waitForRole(from, 'standby')
        ;[from, to] = [to, from]
      }
    }
    for (const [mode, measured] of results) {
      print(
        `${mode.padEnd(6)} T3:   ${summarize(
          measured.map(({ t3Ms }) => t3Ms),
          'ms',
        )}`,
      )
      const told = measured.flatMap(({ toldMs }) => (toldMs === null ? [] : [toldMs]))
      if (told.length > 0) print(`${mode.padEnd(6)} told: ${summarize(told, 'ms')}`)
    }
  } finally {
    await scene.close()
  }
} finally {
  await cluster.destroy()
  rmSync(folder, { recursive: true, force: true })
}

async function failOver(
  scene: ProxyScene,
  cluster: RepmgrCluster,
  { from, to, mode }: { readonly from: string; readonly to: string; readonly mode: Mode },
): Promise<Round> {
  writeFileSync(join(folder, 'mode'), mode)
  const since = scene.proxy.log.length
  const watch = await RecoveryWatch.start(cluster.node(to).server, scene)
  await cluster.node(from).killHost()
  const t3Ms = idleInterval === null ? await serveOne(scene, watch, since) : await proveOne(scene, watch, { to, since })
  if (mode === 'off') return { t3Ms, toldMs: null }
  const told = await scene.proxy.waitForLog(
    'repmgr to tell of it',
    (record) => record.msg === 'repmgr event' && record['event'] === 'standby_promote',
    { since },
  )
  return { t3Ms, toldMs: Date.parse(String(told['time'])) - watch.writableAt }
}

/** With a client that waits from the loss on. */
async function serveOne(scene: ProxyScene, watch: RecoveryWatch, since: number): Promise<number> {
  const held = new pg.Client({ ...scene.target, user: APPLICATION_LOGIN.user, database: APPLICATION_LOGIN.database })
  const isLost = (record: LogRecord) => record.msg === 'decision' && record['primary'] === null
  await scene.proxy.waitForLog('no primary', isLost, { since })
  await held.connect()
  await held.end()
  return await watch.finish('failover')
}

/** With nobody: until the proxy has proven the new primary. */
async function proveOne(
  { proxy }: ProxyScene,
  watch: RecoveryWatch,
  { to, since }: { readonly to: string; readonly since: number },
): Promise<number> {
  const isProven = (record: LogRecord) => record.msg === 'decision' && record['primary'] === to
  const proven = await proxy.waitForLog('the new primary', isProven, { since, timeoutMs: 30_000 })
  await watch.stop()
  return Date.parse(String(proven['time'])) - watch.writableAt
}

/** The old primary becomes a standby of the new one, with repmgrd. */
async function takeBack(cluster: RepmgrCluster, name: string, primary: string): Promise<void> {
  // repmgr follows about a second after the promotion, and takes nobody back before that.
  await cluster
    .node(primary)
    .server.waitFor(`SELECT type = 'primary' FROM repmgr.nodes WHERE node_name = '${primary}'`, { database: 'repmgr' })
  await cluster.rejoin(name, primary)
  await cluster.waitForStreaming(name, primary)
  await cluster.node(name).startDaemon()
}

/** One command for all modes, so that repmgr does the same each time. */
function writeHook(): string {
  const tokenFile = join(folder, 'token')
  const token = notifyToken('test-admin-token')
  const url = `http://127.0.0.1:${adminPort}`
  const script = `#!/bin/sh
case "$(cat ${folder}/mode 2>/dev/null)" in
  notify) exec ${process.execPath} ${BUILT.bin} notify --event "$1" --node "$2" --success "$3" --admin ${url} --token-file ${tokenFile} ;;
  curl) exec curl -s -m 1 -o /dev/null -H "Authorization: Bearer ${token}" -X POST "${url}/api/notify?event=$1&node=$2&success=$3" ;;
esac
`
  writeFileSync(tokenFile, token, { mode: 0o600 })
  const hook = join(folder, 'hook.sh')
  writeFileSync(hook, script)
  chmodSync(hook, 0o755)
  for (const path of [tokenFile, hook]) giveToServerUser(path)
  return `${hook} %e %n %s`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
