import { describe, expect, it } from 'vitest'
import { NO_SYSTEMD, takeSystemdEnvironment } from '../../src/daemon/systemd-environment.ts'

const PID = 4711

describe('takeSystemdEnvironment', () => {
  it('reads where to report, the watchdog and the sockets, and leaves nothing of it for children', () => {
    const environment = {
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '30000000',
      WATCHDOG_PID: '4711',
      LISTEN_PID: '4711',
      LISTEN_FDS: '3',
      LISTEN_FDNAMES: 'pg:pg-standby:pg',
      CREDENTIALS_DIRECTORY: '/run/credentials/pgha-proxy.service',
    }
    expect(takeSystemdEnvironment(environment, PID)).toEqual({
      notifySocket: '/run/systemd/notify',
      watchdogMs: 30_000,
      sockets: [
        { fd: 3, name: 'pg' },
        { fd: 4, name: 'pg-standby' },
        { fd: 5, name: 'pg' },
      ],
      socketsOfPid: null,
    })
    expect(environment).toEqual({ CREDENTIALS_DIRECTORY: '/run/credentials/pgha-proxy.service' })
  })

  it('finds nothing in the environment of a process that systemd did not start', () => {
    expect(takeSystemdEnvironment({ PATH: '/bin' }, PID)).toEqual(NO_SYSTEMD)
  })

  it.each([
    ['a watchdog without a pid is for everybody', { WATCHDOG_USEC: '2000' }, { watchdogMs: 2 }],
    ["another process's watchdog is not ours", { WATCHDOG_USEC: '2000', WATCHDOG_PID: '1' }, { watchdogMs: null }],
    ['a watchdog of 0 is none', { WATCHDOG_USEC: '0', WATCHDOG_PID: '4711' }, { watchdogMs: null }],
    ['a watchdog that is no number is none', { WATCHDOG_USEC: '30s' }, { watchdogMs: null }],
    [
      'sockets without names are called unknown',
      { LISTEN_PID: '4711', LISTEN_FDS: '2' },
      {
        sockets: [
          { fd: 3, name: 'unknown' },
          { fd: 4, name: 'unknown' },
        ],
      },
    ],
    [
      "another process's sockets are not touched, and it is known whose they are",
      { LISTEN_PID: '1', LISTEN_FDS: '1', LISTEN_FDNAMES: 'pg' },
      { sockets: [], socketsOfPid: 1 },
    ],
    ['no sockets are nobody else’s', { LISTEN_PID: '1', LISTEN_FDS: '0' }, { sockets: [], socketsOfPid: null }],
    ['sockets for nobody are none', { LISTEN_FDS: '1' }, { sockets: [], socketsOfPid: null }],
    ['an empty path is none', { NOTIFY_SOCKET: '' }, { notifySocket: null }],
  ])('%s', (_, environment, expected) => {
    expect(takeSystemdEnvironment({ ...environment }, PID)).toEqual({ ...NO_SYSTEMD, ...expected })
  })
})
