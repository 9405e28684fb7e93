/**
 * P1, the last of its three layers alone: routing believes an answer that is old by now, no session is there to be
 * ended, and only the login itself can show that the server has become a standby.
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../support/postgres-server.ts'
import { NO_PRIMARY } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { connectable } from './writers.ts'

/** Nobody looks at the node again before its successor has started. */
const SELDOM = { interval: '40s', fast_interval: '3s', decision_ttl: '2m' }

let scene: Scene

afterEach(async () => {
  await scene.close()
})

describe('a login that lands on a standby because no probe has seen it yet', () => {
  it('goes elsewhere unseen when nothing was asked of the client', async () => {
    scene = await Scene.open({ nodes: 1, repmgrTables: false, proxy: { monitor: SELDOM } })
    tellOnFailure(() => scene)
    const node1 = scene.node('node1')
    await makeStandbyUnseen(node1)

    const client = await RawClient.connect(scene.target)
    client.send(startupMessage({ user: 'postgres', database: 'einvoice' }))
    await scene.proxy.waitForLog('the second thought', ({ why }) => why === 'in_hot_standby is on')
    await scene.waitUntilHeld(1)
    expect(client.received).toHaveLength(0)

    await node1.promote()
    await client.waitForMessage('Z')
    expect(client.errors).toEqual([])
    client.query('SELECT pg_is_in_recovery()')
    await client.waitForMessage('D')
    expect(client.messages.find(({ type }) => type === 'D')?.payload.toString('latin1')).toMatch(/f$/)
    client.destroy()
  })

  it('ends with 57P03 before ReadyForQuery when a password was asked for', async () => {
    scene = await Scene.open({ nodes: 1, repmgrTables: false, proxy: { monitor: SELDOM } })
    tellOnFailure(() => scene)
    await makeStandbyUnseen(scene.node('node1'))

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

/** Restarts the primary as a standby, and makes sure that the proxy still takes it for the primary. */
async function makeStandbyUnseen(node: PostgresServer): Promise<void> {
  await node.stop()
  node.setStandbySignal(true)
  await node.start()
  expect(await node.value('SELECT pg_is_in_recovery()')).toBe(true)
  expect(await scene.status()).toMatchObject({ state: 'serving', primary: 'node1' })
}
