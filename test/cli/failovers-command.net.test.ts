import { afterEach, describe, expect, it } from 'vitest'
import { AdminServer } from '../../src/admin/admin-server.ts'
import { main } from '../../src/cli/main.ts'
import { listFailovers } from '../../src/observability/failover-list.ts'
import type { FailoverRecord } from '../../src/observability/failover-record.ts'
import { idleActions } from '../admin/admin-rig.ts'
import { realClock } from '../probe/real-clock.ts'
import { journalRecords } from './failovers/records.ts'
import { fakeTerminal } from './fake-terminal.ts'

const RECORDS = journalRecords()

const servers: AdminServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function startProxy(records: readonly FailoverRecord[] = RECORDS): Promise<string> {
  const server = new AdminServer({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    socketMode: 0o600,
    hosts: [],
    token: null,
    clock: realClock,
    actions: idleActions({ failovers: (query) => listFailovers(records, query) }),
    onOrder: () => {},
    onNotified: () => {},
    onRefused: () => {},
    onDefect: () => {},
  })
  await server.open()
  servers.push(server)
  return `http://${server.address}`
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = fakeTerminal()
  const code = await main(args, terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() }
}

describe('GET /api/failovers', () => {
  it('answers with the journal, newest first, and no more than asked for', async () => {
    const url = await startProxy()
    const ask = async (query: string) => await fetch(`${url}/api/failovers${query}`)
    const all = (await (await ask('')).json()) as { total: number; failovers: FailoverRecord[] }
    expect([all.total, all.failovers.map(({ id }) => id)]).toEqual([4, [4, 3, 2, 1]])
    expect(await (await ask('?limit=1')).json()).toMatchObject({ total: 4, failovers: [{ id: 4 }] })
    expect(await (await ask('?limit=0')).json()).toEqual({ total: 4, failovers: [] })
  })

  it.each(['101', '-1', 'x', '', '1e1'])('refuses a limit of %j', async (limit) => {
    const response = await fetch(`${await startProxy()}/api/failovers?limit=${limit}`)
    expect([response.status, await response.json()]).toEqual([400, { error: 'limit must be a whole number, 0 to 100' }])
  })
})

describe('pgha-proxy failovers', () => {
  it('lists them, and ends with 0', async () => {
    const { code, stdout, stderr } = await run('failovers', '--url', await startProxy())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n').map((line) => line.slice(0, 2).trim())).toEqual(['ID', '4', '3', '2', '1', ''])
  })

  it('lists as many as asked for', async () => {
    const { stdout } = await run('failovers', '--url', await startProxy(), '--limit', '2')
    expect(stdout.trimEnd().split('\n').length).toBe(3)
  })

  it('is fine with an empty journal, also in full', async () => {
    const url = await startProxy([])
    expect(await run('failovers', '--url', url)).toMatchObject({ code: 0, stdout: expect.stringContaining('is empty') })
    const last = await run('failovers', '--last', '--url', url)
    expect(last).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('the journal is empty') })
  })

  it('shows one in full by its number, and the newest with --last', async () => {
    const url = await startProxy()
    expect((await run('failovers', '2', '--url', url)).stdout).toMatch(/^failover 2 {2}node1 on timeline 1 -> node2/)
    expect((await run('failovers', '--last', '--url', url)).stdout).toMatch(/^outage, in progress 4 /)
  })

  it('prints the answer itself, or the one record, with --json', async () => {
    const url = await startProxy()
    expect(JSON.parse((await run('failovers', '--json', '--url', url)).stdout)).toEqual({
      total: 4,
      failovers: RECORDS.toReversed(),
    })
    expect(JSON.parse((await run('failovers', '2', '--json', '--url', url)).stdout)).toEqual(RECORDS[1])
  })

  it.each([
    [['failovers', '9'], 1, 'there is no failover 9 in the journal\n  it keeps the last 100'],
    [['failovers', 'node1'], 2, '"node1" is no number of a failover'],
    [['failovers', '--limit', '101'], 2, '--limit 101 is no whole number of 0 to 100'],
  ])('%j ends with %d and says what is wrong', async (args, code, says) => {
    const result = await run(...args, '--url', await startProxy())
    expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(says) })
  })

  it('says so when a proxy that keeps no journal answers', async () => {
    const result = await run('failovers', '--url', `${await startProxy()}/livez`)
    expect(result).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('with no failover journal') })
  })
})
