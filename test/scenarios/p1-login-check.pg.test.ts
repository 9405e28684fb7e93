/**
 * P1, the last of its three layers alone: the node became a standby while the proxy stood still, and does not let itself
 * be observed since. Doubt ends nothing, so routing goes on to believe in it; only the login itself shows the truth.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../support/postgres-server.ts'
import { NO_PRIMARY } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { connectable } from './writers.ts'

let scene: Scene
let node1: PostgresServer

beforeEach(async () => {
  scene = await Scene.open({ nodes: 1, repmgrTables: false })
  tellOnFailure(() => scene)
  node1 = scene.node('node1')
  await makeStandbyUnseen()
})

afterEach(async () => {
  await scene.close()
})

describe('a login that lands on a standby because no probe could see that it is one', () => {
  it('goes elsewhere unseen when nothing was asked of the client', async () => {
    const client = await RawClient.connect(scene.target)
    client.send(startupMessage({ user: 'postgres', database: 'einvoice' }))
    await scene.proxy.waitForLog('the second thought', ({ why }) => why === 'in_hot_standby is on')

    node1.setHbaLines([])
    node1.reload()
    await scene.waitForRole('node1', 'standby')
    await scene.waitUntilHeld(1)
    expect(client.received).toHaveLength(0)
    await node1.promote()
    await client.waitForMessage('Z')
    client.query('SELECT pg_is_in_recovery()')
    await client.waitForMessage('D')
    expect(client.errors).toEqual([])
    expect(client.messages.find(({ type }) => type === 'D')?.payload.toString('latin1')).toMatch(/f$/)
    client.destroy()
  })

  it('ends with 57P03 before ReadyForQuery when a password was asked for', async () => {
    const client = connectable(scene.target)
    await expect(client.connect()).rejects.toMatchObject({
      severity: 'FATAL',
      code: '57P03',
      message: NO_PRIMARY,
      detail: 'node is in recovery',
    })
    client.socket.destroy()
    await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended['landed-on-standby'] === 1)
  })
})

/** Has the primary come back as a standby that refuses the monitoring role, and the proxy none the wiser. */
async function makeStandbyUnseen(): Promise<void> {
  scene.proxy.signal('SIGSTOP')
  await node1.stop()
  node1.setStandbySignal(true)
  node1.setHbaLines([`host all ${scene.cluster.monitor.user} all reject`])
  await node1.start()
  expect(await node1.value('SELECT pg_is_in_recovery()')).toBe(true)
  scene.proxy.signal('SIGCONT')
  await scene.proxy.waitForLog('the refusal', ({ msg, failure }) => msg === 'probe failed' && failure === 'auth')
  expect(await scene.status()).toMatchObject({ state: 'serving', primary: 'node1' })
}
