import { closeSync, openSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import type { ListenerConfig } from '../../src/config/config.ts'
import { ListenerSet } from '../../src/daemon/listener-set.ts'
import { StartError } from '../../src/daemon/start-error.ts'
import { NO_SYSTEMD, type SystemdEnvironment } from '../../src/daemon/systemd-environment.ts'
import { mustLoad } from '../support/config-text.ts'
import { createMemoryLog } from '../support/memory-log.ts'

const sets: ListenerSet[] = []

afterEach(() => {
  for (const set of sets.splice(0)) set.close()
})

function setUp(systemd: Partial<SystemdEnvironment> = {}) {
  const log = createMemoryLog()
  const set = new ListenerSet({
    systemd: { ...NO_SYSTEMD, ...systemd },
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
