/** A real scrape: the daemon with its admin address, asked over HTTP as Prometheus does. */
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Daemon } from '../../src/daemon/daemon.ts'
import { QUERY, RawClient, STARTUP, TERMINATE } from '../net/session-rig.ts'
import {
  type FakePostgres,
  LOGGED_IN,
  oneText,
  PRIMARY_ANSWER,
  servePrimary,
  startFakePostgres,
} from '../probe/fake-postgres.ts'
import { realClock } from '../probe/real-clock.ts'
import { waitFor } from '../support/condition.ts'
import { mustLoad } from '../support/config-text.ts'
import { freePort } from '../support/free-port.ts'
import { leftOut } from '../support/left-out.ts'
import { createMemoryLog } from '../support/memory-log.ts'
import { promtool, promtoolAvailable } from '../support/promtool.ts'
import { Exposition } from './exposition.ts'
import { dashboardExpressions, metricNames, readAlerts } from './monitoring-setup.ts'

/** What the fake server answers to every question. */
const ANSWER = oneText(JSON.stringify(PRIMARY_ANSWER))

let folder: string
let primary: FakePostgres
let daemon: Daemon
let port: number
const sockets: Socket[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-scrape-'))
  primary = await startFakePostgres(servePrimary())
  port = await freePort()
  const config = mustLoad(
    [
      `listeners: [{ address: "127.0.0.1:${port}" }]`,
      `nodes: [{ name: node1, address: "127.0.0.1:${primary.port}" }]`,
      'monitor: { user: pgha, password: secret, sslmode: disable }',
      'admin: { address: "127.0.0.1:0" }',
      `state_dir: ${folder}`,
    ].join('\n'),
  )
  const { logger } = createMemoryLog()
  daemon = new Daemon({ config, adminToken: null, environment: {}, clock: realClock, logger, version: '1.2.3' })
  await daemon.start()
})

afterEach(async () => {
  await daemon.stop(Promise.resolve())
  for (const socket of sockets.splice(0)) socket.destroy()
  await primary.close()
  rmSync(folder, { recursive: true, force: true })
})

async function scrapeText(): Promise<string> {
  const response = await fetch(`http://${daemon.adminAddress}/metrics`)
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ])
  return await response.text()
}

async function scrape(): Promise<Exposition> {
  return new Exposition(await scrapeText())
}

async function logIn(): Promise<RawClient> {
  const client = new RawClient(port)
  sockets.push(client.socket)
  await client.send(STARTUP).got(LOGGED_IN)
  return client
}

describe('a scrape', () => {
  it('says the same as the status, and has what is known of the process', async () => {
    await logIn()
    const page = await scrape()
    const status = daemon.status()

    expect(page.which('pgha_decision_state', 'state')).toBe(status.state)
    expect(page.which('pgha_primary_info', 'node')).toBe(status.primary)
    expect(page.value('pgha_epoch_timeline')).toBe(status.timelineId)
    expect(page.value('pgha_sessions')).toBe(status.sessions.active)
    expect(page.value('pgha_sessions_accepted_total')).toBe(status.sessions.accepted)
    expect(page.which('pgha_build_info', 'version')).toBe('1.2.3')
    expect([page.value('pgha_ready'), page.value('pgha_draining')]).toEqual([1, 0])
    expect(page.value('process_resident_memory_bytes')).toBeGreaterThan(1e6)
    expect(page.value('process_open_fds')).toBeGreaterThan(5)
    expect(page.families.has('nodejs_eventloop_lag_p99_seconds')).toBe(true)
  })

  it('counts the sessions, dials and bytes of clients to the byte, also when they have left', async () => {
    const listener = `127.0.0.1:${port}`
    const client = await logIn()
    client.send(QUERY)
    await client.got(Buffer.concat([LOGGED_IN, ANSWER]))
    const during = await scrape()
    expect(during.value('pgha_sessions', { listener, node: 'node1' })).toBe(1)
    expect(during.value('pgha_dials_total', { node: 'node1', result: 'connected' })).toBe(1)
    expect(during.value('pgha_client_bytes_total', { direction: 'from-client' })).toBe(STARTUP.length + QUERY.length)
    client.send(TERMINATE)
    client.socket.end()
    await waitFor('the session to be gone', () => daemon.status().sessions.active === 0)
    const page = await scrape()

    const sent = STARTUP.length + QUERY.length + TERMINATE.length
    expect(page.value('pgha_sessions', { listener, node: 'node1' })).toBe(0)
    expect(page.value('pgha_client_bytes_total', { direction: 'from-client' })).toBe(sent)
    expect(page.value('pgha_client_bytes_total', { direction: 'to-client' })).toBe(LOGGED_IN.length + ANSWER.length)
    expect(page.value('pgha_sessions_ended_total', { reason: 'finished' })).toBe(1)
    expect(page.value('pgha_sessions_ended_total')).toBe(1)
  })

  it('counts a session that waits as held', async () => {
    await logIn()
    await primary.close()
    await waitFor('the loss', () => daemon.status().primary === null)
    const client = new RawClient(port)
    sockets.push(client.socket)
    client.send(STARTUP)
    await waitFor('the session to be held', () => daemon.status().sessions.held === 1)
    const page = await scrape()

    expect([page.value('pgha_sessions_held'), page.value('pgha_sessions_held_max')]).toEqual([1, 1000])
    expect([page.value('pgha_ready'), page.value('pgha_node_up', { node: 'node1' })]).toEqual([0, 0])
    expect(page.value('pgha_probe_failures_total', { node: 'node1' })).toBeGreaterThan(0)
    expect(page.value('pgha_probe_duration_seconds_count', { node: 'node1' })).toBeGreaterThan(0)
  })

  it('says that the last reload was refused', async () => {
    await daemon.whileReloading(async () => false)
    expect((await scrape()).value('pgha_config_last_reload_successful')).toBe(0)
    await daemon.whileReloading(async () => true)
    expect((await scrape()).value('pgha_config_last_reload_successful')).toBe(1)
  })

  it('has every metric that the dashboard and the alerts ask for', async () => {
    const names = metricNames([...dashboardExpressions(), ...readAlerts().map(({ expr }) => expr)])
    const { families } = await scrape()
    const isThere = (name: string): boolean =>
      families.has(name.replace(/_(?:bucket|sum|count)$/, '')) || families.has(name)

    expect(names.size).toBeGreaterThan(20)
    expect([...names].filter((name) => !isThere(name))).toEqual([])
  })

  it('has the labels that the dashboard and the alerts go by', async () => {
    await waitFor('the decision', () => daemon.status().primary !== null)
    const { families } = await scrape()
    const expressions = [...dashboardExpressions(), ...readAlerts().map(({ expr }) => expr)]
    const asked = expressions.flatMap((expr) => [...expr.matchAll(/(\w+)(?:=~|!=|=)"([^"]*)"/g)])
    const known = new Map<string, Set<string>>()
    for (const { samples } of families.values()) {
      for (const [label, value] of samples.flatMap(({ labels }) => Object.entries(labels))) {
        known.set(label, (known.get(label) ?? new Set()).add(value))
      }
    }
    // Prometheus itself adds these.
    const own = asked.filter(([, label = '']) => label !== 'instance' && label !== 'job')
    const unknown = own.filter(([, label = '', values = '']) =>
      values.split('|').some((value) => known.get(label)?.has(value) !== true),
    )

    expect(own.length).toBeGreaterThan(5)
    expect(unknown.map(([matcher]) => matcher)).toEqual([])
  })
})

describe.skipIf(leftOut('promtool on a scrape', promtoolAvailable()))('promtool', () => {
  it('finds nothing wrong with our part of a scrape', async () => {
    await logIn()
    const { code, said } = promtool(['check', 'metrics'], { input: await scrapeText() })

    expect(said.split('\n').filter((line) => line.startsWith('pgha'))).toEqual([])
    // 3: it was read, and there are remarks: on names of prom-client, which are as everybody knows them.
    expect([0, 3]).toContain(code)
  })

  it('would find a counter without its ending', () => {
    const { code, said } = promtool(['check', 'metrics'], {
      input: '# HELP pgha_x X.\n# TYPE pgha_x counter\npgha_x 1\n',
    })

    expect([code, said]).toEqual([3, expect.stringContaining('pgha_x counter metrics should have "_total" suffix')])
  })
})
