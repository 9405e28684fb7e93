import { once } from 'node:events'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { ListenerConfig } from '../../src/config/config.ts'
import { type AddressedSocket, ListenerSet } from '../../src/daemon/listener-set.ts'
import { StartError } from '../../src/daemon/start-error.ts'
import { NO_SYSTEMD, type SystemdEnvironment } from '../../src/daemon/systemd-environment.ts'
import { mustLoad } from '../support/config-text.ts'
import { createMemoryLog } from '../support/memory-log.ts'

const sets: ListenerSet[] = []

afterEach(() => {
  for (const set of sets.splice(0)) set.close()
})

function setUp(systemd: Partial<SystemdEnvironment> = {}, inherited?: readonly AddressedSocket[]) {
  const log = createMemoryLog()
  const set = new ListenerSet({
    systemd: { ...NO_SYSTEMD, ...systemd },
    ...(inherited === undefined ? {} : { inherited }),
    onConnection: (socket) => socket.destroy(),
    logger: log.logger,
  })
  sets.push(set)
  return { log, set }
}

function listeners(...addresses: string[]): readonly ListenerConfig[] {
  const entries = addresses.map((address) => `{ address: "${address}" }`).join(', ')
  const text = `listeners: [${entries}]\nnodes: [{ name: node1, address: pg-0 }]\nmonitor: { user: pgha, password: x }`
  return mustLoad(text).listeners
}

async function problemOf(opening: Promise<void>): Promise<string> {
  const error: unknown = await opening.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(StartError)
  return `${(error as StartError).message}; ${(error as StartError).hint}`
}

describe('ListenerSet', () => {
  it.each<[string, Partial<SystemdEnvironment>, RegExp]>([
    [
      'nothing was handed over',
      {},
      /^listeners\[1\]\.address: fd:pg: no socket was handed over at all; .* FileDescriptorName=pg/,
    ],
    [
      'sockets were handed over under other names',
      {
        sockets: [
          { fd: 900, name: 'main' },
          { fd: 901, name: 'standby' },
        ],
      },
      /^listeners\[1\]\.address: fd:pg: no socket of this name was handed over, only main, standby; .*FileDescriptorName=pg/,
    ],
    [
      'they were meant for another process',
      { socketsOfPid: 77 },
      /^listeners\[1\]\.address: fd:pg: systemd has handed its sockets over to process 77, not to this one; .*ExecStart=/,
    ],
    [
      'the descriptor is not open',
      { sockets: [{ fd: 900, name: 'pg' }] },
      /^listeners\[1\]\.address: fd:pg: what was handed over is no listening stream socket .*; use ListenStream=/,
    ],
  ])('says where and what to do, and leaves nothing open, when %s', async (_, systemd, expected) => {
    const { set } = setUp(systemd)
    expect(await problemOf(set.openMissing(listeners('127.0.0.1:0', 'fd:pg')))).toMatch(expected)
    expect(set.addresses).toEqual([])
  })

  it('closes what it has inherited and no listener takes', () => {
    const fd = openSync('/dev/null', 'r')
    const { set } = setUp({}, [{ address: '127.0.0.1:5432', fd }])
    set.closeOthers(listeners('127.0.0.1:0'))
    expect(() => fstatSync(fd)).toThrow('EBADF')
  })

  it('opens new addresses before inherited ones: whoever comes there would be lost if a new one failed', async () => {
    const server = createServer()
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const { set } = setUp({}, [{ address: `127.0.0.1:${port}`, fd: openSync('/dev/null', 'r') }])
    // Not a socket: it would be the first to fail.
    const opening = set.openMissing(listeners(`127.0.0.1:${port}`, '192.0.2.1:1'))
    expect(await problemOf(opening)).toMatch(/^cannot listen on 192\.0\.2\.1:1/)
    server.close()
    await once(server, 'close')
  })

  it('names its sockets as the configuration does', async () => {
    const { set } = setUp()
    await set.openMissing(listeners('127.0.0.1:0'))
    expect(set.sockets).toEqual({ listeners: [{ address: '127.0.0.1:0', fd: expect.any(Number) }], passed: [] })
    expect(fstatSync(set.sockets.listeners[0]?.fd ?? -1).isSocket()).toBe(true)
  })

  it('does not touch a descriptor again that was no socket: its number may be another file by now', async () => {
    const fd = openSync('/dev/null', 'r')
    const { set } = setUp({ sockets: [{ fd, name: 'pg' }] })
    const first = await problemOf(set.openMissing(listeners('fd:pg')))
    expect(first).toMatch(/no listening stream socket/)
    expect(await problemOf(set.openMissing(listeners('fd:pg')))).toBe(first)
    closeSync(fd)
  })

  it('warns once of handed-over sockets that no listener takes', async () => {
    const { log, set } = setUp({ sockets: [{ fd: 900, name: 'forgotten' }] })
    const configs = listeners('127.0.0.1:0')
    await set.openMissing(configs)
    set.closeOthers(configs)
    set.closeOthers(configs)
    const warnings = log.lines.filter(({ level }) => level >= 40)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ names: ['forgotten'] })
  })

  it('keeps what is open when a new one cannot be opened', async () => {
    const { set } = setUp()
    await set.openMissing(listeners('127.0.0.1:0'))
    const before = set.addresses
    await problemOf(set.openMissing(listeners('127.0.0.1:0', '[::1]:0', 'fd:pg')))
    expect([set.addresses, set.isOpen]).toEqual([before, true])
  })
})
