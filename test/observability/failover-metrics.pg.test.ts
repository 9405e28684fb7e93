/**
 * A failover on real servers, as somebody reads it who has nothing but the metrics: before it, without a primary, after
 * it, and with the old primary back.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { RawClient, startupMessage } from '../scenarios/raw-client.ts'
import { Scene, tellOnFailure } from '../scenarios/scene.ts'
import { waitFor } from '../support/condition.ts'
import { Exposition } from './exposition.ts'

const HELD_COUNT = 5

let scene: Scene
const clients: RawClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await scene.close()
})

async function scrape(): Promise<Exposition> {
  const response = await scene.proxy.get('/metrics')
  return new Exposition(await response.text())
}

async function waitForMetrics(description: string, until: (page: Exposition) => boolean): Promise<Exposition> {
  return await waitFor(description, scrape, { until, timeoutMs: 15_000, intervalMs: 10 })
}

async function logIn(): Promise<RawClient> {
  const client = await RawClient.login(scene.target)
  clients.push(client)
  return client
}

/** What one page says of the moment. */
function tell(page: Exposition) {
  const nodes = page.select('pgha_node_up').map(({ labels }) => labels['node'] ?? '')
  return {
    ready: page.value('pgha_ready'),
    state: page.which('pgha_decision_state', 'state'),
    primary: page.which('pgha_primary_info', 'node'),
    timeline: page.value('pgha_epoch_timeline'),
    roles: Object.fromEntries(nodes.map((node) => [node, page.which('pgha_node_role', 'role', { node })])),
    up: Object.fromEntries(nodes.map((node) => [node, page.value('pgha_node_up', { node })])),
    held: page.value('pgha_sessions_held'),
    failovers: page.value('pgha_failovers_total'),
  }
}

describe('the metrics', () => {
  it('tell the story of a failover', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    await logIn()
    const before = await waitForMetrics('node2 to be seen', (page) => tell(page).up['node2'] === 1)
    expect(tell(before)).toEqual({
      ready: 1,
      state: 'serving',
      primary: 'node1',
      timeline: 1,
      roles: { node1: 'primary', node2: 'standby' },
      up: { node1: 1, node2: 1 },
      held: 0,
      failovers: 0,
    })
    expect(before.value('pgha_sessions', { node: 'node1' })).toBe(1)
    expect(before.value('pgha_primary_proof_age_seconds', { node: 'node1' })).toBeLessThan(5)
    expect(before.value('pgha_node_replay_lag_bytes', { node: 'node2' })).toBeGreaterThanOrEqual(0)

    const killedAt = performance.now()
    await scene.node('node1').kill()
    await waitForMetrics('the loss', (page) => tell(page).state === 'no-primary')
    for (let index = 0; index < HELD_COUNT; index += 1) {
      const client = await RawClient.connect(scene.target)
      clients.push(client)
      client.send(startupMessage({ user: 'postgres', database: 'einvoice', application_name: 'held' }))
    }
    const without = await waitForMetrics(
      'sessions to be held, and the old one to be gone',
      (page) => tell(page).held === HELD_COUNT && page.value('pgha_sessions') === 0,
    )
    expect(tell(without)).toMatchObject({ ready: 0, primary: '', timeline: 1, failovers: 0 })
    expect(tell(without)).toMatchObject({ roles: { node1: 'unreachable' }, up: { node1: 0, node2: 1 } })
    expect(without.value('pgha_probe_failures_total', { node: 'node1', class: 'refused' })).toBeGreaterThan(0)

    await scene.promote('node2')
    const after = await waitForMetrics('node2 to be primary', (page) => tell(page).held === 0)
    const outageSeconds = (performance.now() - killedAt) / 1000
    expect(tell(after)).toMatchObject({ ready: 1, state: 'serving', primary: 'node2', timeline: 2, failovers: 1 })
    const seconds = after.value('pgha_failover_duration_seconds_sum') ?? 0
    expect(after.value('pgha_failover_duration_seconds_count')).toBe(1)
    expect(seconds).toBeGreaterThan(0)
    // The last proof is at most one probe interval older than the kill.
    expect(seconds).toBeLessThan(outageSeconds + 1)
    expect(after.value('pgha_failover_first_session_seconds_count')).toBe(1)
    expect(after.value('pgha_failover_first_session_seconds_sum')).toBeLessThan(1)
    expect(after.value('pgha_hold_wait_seconds_count', { outcome: 'routed' })).toBe(HELD_COUNT)
    expect(after.value('pgha_hold_wait_seconds_sum', { outcome: 'routed' })).toBeLessThan(HELD_COUNT * outageSeconds)
    expect(after.value('pgha_sessions_accepted_total')).toBe(HELD_COUNT + 1)
    expect(after.value('pgha_sessions_ended_total')).toBe(1)

    await scene.node('node1').start()
    await scene.waitForRole('node1', 'stale-primary')
    const returned = await scrape()
    expect(tell(returned)).toMatchObject({ ready: 1, primary: 'node2', timeline: 2, failovers: 1 })
    expect(tell(returned).roles).toEqual({ node1: 'stale-primary', node2: 'primary' })
    expect(returned.value('pgha_node_timeline', { node: 'node1' })).toBe(1)
    expect(returned.value('pgha_warnings')).toBe((await scene.status()).warnings.length)
    expect(returned.value('pgha_sessions', { node: 'node1' })).toBe(0)
  })

  it('tell of a configuration that was refused, and of the one that was taken after it', async () => {
    scene = await Scene.open({ nodes: 1 })
    tellOnFailure(() => scene)
    const { file } = scene.config
    const good = readFileSync(file, 'utf8')
    const successful = 'pgha_config_last_reload_successful'
    expect((await scrape()).value(successful)).toBe(1)
    writeFileSync(file, `${good}\nnonsense: true\n`)
    scene.proxy.signal('SIGHUP')
    await waitForMetrics('the refusal', (page) => page.value(successful) === 0)
    writeFileSync(file, good)
    scene.proxy.signal('SIGHUP')
    const page = await waitForMetrics('the reload', (seen) => seen.value(successful) === 1)

    expect(page.select('pgha_config_reloads_total').map(({ labels, value }) => [labels['result'], value])).toEqual([
      ['success', 1],
      ['failure', 1],
    ])
  })
})
