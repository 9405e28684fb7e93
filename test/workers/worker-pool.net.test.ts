/** The pool with real worker processes, in front of a server whose every byte the test sends. */
import { afterEach, describe, expect, it } from 'vitest'
import type { ListenerTls } from '../../src/config/config.ts'
import { StartError } from '../../src/daemon/start-error.ts'
import { systemClock } from '../../src/daemon/system-clock.ts'
import { Listener } from '../../src/net/listener.ts'
import type { Clock } from '../../src/ports.ts'
import { WorkerPool } from '../../src/workers/worker-pool.ts'
import { decide } from '../net/decision-builder.ts'
import { type FakeServer, startFakeServer } from '../net/fake-server.ts'
import { RawClient, STARTUP } from '../net/session-rig.ts'
import { waitFor } from '../support/condition.ts'
import { createMemoryLog } from '../support/memory-log.ts'
import { isAlive, signalProcess } from '../support/process-tree.ts'
import { hostedConfig, LISTENER_ADDRESS } from './hosted-config.ts'

const MISSING: ListenerTls = {
  ...{ mode: 'terminate', cert: '/nowhere/cert.pem', key: '/nowhere/key.pem', clientCa: null, require: false },
  ...{ minVersion: 'TLSv1.2', serverSslmode: 'disable', serverSslrootcert: null },
}

/** On which a worker is found out in half a second. */
const QUICK: Clock = {
  ...systemClock,
  schedule: (delayMs, callback) => systemClock.schedule(delayMs <= 1000 ? delayMs / 10 : delayMs, callback),
}

const closers: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

function makePool(config = hostedConfig(), clock: Clock = systemClock) {
  const log = createMemoryLog()
  const node: { address: { host: string; port: number } } = { address: { host: '127.0.0.1', port: 1 } }
  const pool = new WorkerPool({
    ...{ config, clock, count: 1, logger: log.logger, environment: process.env },
    log: { level: 'fatal', format: 'json' },
    readDescriptorLimit: () => null,
    members: () => [{ name: 'node1', ...node }],
    news: {
      onHint: () => undefined,
      onDialed: () => undefined,
      onFirstRouted: () => undefined,
      onAllReleased: () => undefined,
      onHoldEnded: () => undefined,
    },
  })
  closers.push(async () => await pool.close())
  return { pool, log, node }
}

/** A pool of one worker that routes to the server, and a port that clients connect to. */
async function open(clock?: Clock) {
  const { pool, log, node } = makePool(hostedConfig(), clock)
  const server: FakeServer = await startFakeServer()
  closers.push(async () => await server.close())
  node.address = { host: '127.0.0.1', port: server.port }
  await pool.start()
  pool.takeDecision(decide({ primary: 'node1', at: systemClock.now() }), () => undefined)
  const listener = new Listener({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    onConnection: (socket) => pool.accept(socket, LISTENER_ADDRESS),
    onError: () => undefined,
  })
  await listener.open()
  closers.push(async () => listener.close())
  const connect = (): RawClient => {
    const client = new RawClient(Number(listener.address.split(':')[1])).send(STARTUP)
    closers.push(async () => client.socket.destroy())
    return client
  }
  return { pool, log, server, connect, pid: () => pool.workers[0]?.pid ?? 0 }
}

describe('a pool of workers', () => {
  it('cannot be started where a worker cannot, and says why', async () => {
    const { pool } = makePool(hostedConfig(MISSING))
    await expect(pool.start()).rejects.toThrow(StartError)
    await pool.close()
    expect(pool.workers).toEqual([])
  })

  it('takes no configuration that a worker cannot take; all goes on with the one before', async () => {
    const { pool, server, connect } = await open()
    await expect(pool.prepare(hostedConfig(MISSING))).rejects.toThrow('listeners[0].tls.cert')
    connect()
    await (await server.connection()).got(STARTUP)
  })

  it('gives connections that come while no worker is there to the one that comes next', async () => {
    const { pool, server, connect, pid } = await open()
    const before = pid()
    signalProcess(before, 'SIGKILL')
    await waitFor('the loss', () => pool.workers.length === 0)
    connect()
    await waitFor('the connection', () => pool.size === 1)
    await (await server.connection()).got(STARTUP)
    expect([pid() === before, pool.lostWorkerCount, pool.endedCounts['worker-lost']]).toEqual([false, 1, 0])
  })

  it('knows for how long a worker stood still', async () => {
    const { pool, pid } = await open()
    await waitFor('its first look', () => (pool.workers[0]?.eventLoopDelayMs ?? 0) > 0)
    signalProcess(pid(), 'SIGSTOP')
    // This process stands still as well, so that it does not take the worker for one that hangs.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    signalProcess(pid(), 'SIGCONT')
    await waitFor('the delay', () => (pool.workers[0]?.eventLoopDelayMs ?? 0) > 140)
  })

  it('kills a worker that does not answer, and counts its session', async () => {
    const { pool, log, server, connect, pid } = await open(QUICK)
    const client = connect()
    await (await server.connection()).got(STARTUP)
    const before = pid()
    await waitFor('its session to be known', () => pool.countOn('node1') === 1)
    signalProcess(before, 'SIGSTOP')
    await waitFor('its end', () => !isAlive(before))
    await waitFor('the client to be told', () => client.isClosed || client.hasEnded)
    await waitFor('it to be counted', () => pool.endedCounts['worker-lost'] === 1)
    expect(log.news()).toContain('error a worker does not answer: it is killed')
  })

  it('leaves no client waiting whose connection was on its way to a worker that is killed: it ends, others are served', async () => {
    const { pool, server, connect, pid } = await open(QUICK)
    const before = pid()
    signalProcess(before, 'SIGSTOP')
    const [first] = [connect(), connect(), connect()]
    await waitFor('all to be on their way', () => pool.size === 3)
    await waitFor('its end', () => !isAlive(before))
    await waitFor('the first to be told', () => first?.isClosed)
    for (let count = 0; count < 2; count += 1) await (await server.connection()).got(STARTUP)
    expect([pool.size, pool.endedCounts['worker-lost']]).toEqual([2, 1])
  })
})
