/** repmgr's `event_notification_command` as docs/repmgr-events.md has it, run by repmgr and repmgrd themselves. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { notifyToken } from '../../src/admin/notify-token.ts'
import { freePort } from '../support/free-port.ts'
import { leftOut } from '../support/left-out.ts'
import type { LogRecord } from '../support/proxy-process.ts'
import { repmgrAvailable } from '../support/repmgr-binaries.ts'
import { createRepmgrCluster, type RepmgrCluster } from '../support/repmgr-cluster.ts'
import { giveToServerUser } from '../support/server-user.ts'
import { makeServerFolder } from '../support/temp-folder.ts'
import { ProxyScene, tellOnFailure } from './scene.ts'

const BIN = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))
/** The admin token of scenes. */
const ADMIN_TOKEN = 'test-admin-token'

let folder: string
let cluster: RepmgrCluster | undefined
let scene: ProxyScene | undefined

beforeEach(() => {
  folder = makeServerFolder('notify')
})
afterEach(async () => {
  await scene?.close()
  await cluster?.destroy()
  rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(leftOut('notifications of repmgr', repmgrAvailable()))(
  'two nodes whose repmgr notifies the proxy',
  () => {
    it('have their failover told with its details, and go on as well when a proxy is away', async () => {
      const [adminPort, otherPort] = [await freePort(), await freePort()]
      const tokenFile = join(folder, 'token')
      writeFileSync(tokenFile, notifyToken(ADMIN_TOKEN), { mode: 0o600 })
      giveToServerUser(tokenFile)
      // The second proxy is never there.
      const admins = [adminPort, otherPort].map((port) => `--admin http://127.0.0.1:${port}`).join(' ')
      const event_notification_command =
        `${process.execPath} ${BIN} notify --event %e --node %n --success %s --details "%d" --timestamp "%t" ` +
        `${admins} --token-file ${tokenFile}`
      cluster = await createRepmgrCluster({ nodes: 2, repmgrSettings: { event_notification_command } })
      scene = await ProxyScene.inFrontOf(cluster, { admin: { address: `127.0.0.1:${adminPort}` } })
      tellOnFailure(() => scene)

      await cluster.node('node1').killHost()
      await cluster.waitForPrimary('node2')
      const promoted = await told(scene, 'standby_promote')
      expect(promoted).toMatchObject({ level: 'info', nodeId: '2', success: true, client: '127.0.0.1' })
      expect(String(promoted['details'])).toMatch(/node2.*promoted/)
      expect(Date.parse(String(promoted['timestamp']))).toBeGreaterThan(Date.now() - 60_000)
      await told(scene, 'repmgrd_failover_promote')
      expect(await scene.waitUntilServing('node2')).toMatchObject({ primary: 'node2' })

      // The other form of docs/repmgr-events.md.
      const node2 = cluster.node('node2')
      await node2.repmgr(['-f', writeCurlConf(node2.configFile, adminPort), 'primary', 'register', '--force'])
      expect(await told(scene, 'primary_register')).toMatchObject({ level: 'info', nodeId: '2', success: true })

      await scene.close()
      await cluster.rejoin('node1', 'node2')
      await cluster.waitForStreaming('node1', 'node2')
    })
  },
)

/** The same configuration with the hook that needs nothing of ours. */
function writeCurlConf(configFile: string, adminPort: number): string {
  const headerFile = join(folder, 'header')
  writeFileSync(headerFile, `Authorization: Bearer ${notifyToken(ADMIN_TOKEN)}`, { mode: 0o600 })
  const url = `http://127.0.0.1:${adminPort}/api/notify?event=%e&node=%n&success=%s`
  const hook = `curl -s -m 1 -o /dev/null -H @${headerFile} -X POST "${url}"`
  const path = join(folder, 'repmgr.conf')
  const before = readFileSync(configFile, 'utf8')
  writeFileSync(
    path,
    before.replace(/^event_notification_command=.*$/m, () => `event_notification_command='${hook}'`),
  )
  for (const file of [headerFile, path]) giveToServerUser(file)
  return path
}

async function told({ proxy }: ProxyScene, event: string): Promise<LogRecord> {
  return await proxy.waitForLog(
    `repmgr to tell of ${event}`,
    (record) => {
      return record.msg === 'repmgr event' && record['event'] === event
    },
    { timeoutMs: 20_000 },
  )
}
