/** The unit files: what they say fits the program, and systemd itself has nothing to say against them. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EXIT_CODES } from '../../src/cli/exit-codes.ts'
import { readDuration } from '../../src/config/duration.ts'
import { resolveMonitorPassword } from '../../src/config/monitor-password.ts'
import { mustLoad } from '../support/config-text.ts'
import { leftOut } from '../support/left-out.ts'
import { systemdProgramsAvailable } from '../support/systemd-stand-in.ts'

const CONFIG = join(import.meta.dirname, '..', '..', 'config')
const DOCS = join(import.meta.dirname, '..', '..', 'docs')
const SERVICE = join(CONFIG, 'pgha-proxy.service')
const SOCKET = join(CONFIG, 'pgha-proxy.socket')

/** `systemd-analyze security --offline` of systemd 252 says 1.7; a line that is dropped by mistake costs 0.1 or more. */
const EXPOSURE_MAX = 1.7

/** The lines that take something away from the service. */
const HARDENING =
  /^(?:CapabilityBoundingSet|Lock\w+|NoNew\w+|Private\w+|Proc\w+|Protect\w+|RemoveIPC|Restrict(?!Prevent)\w+|SystemCallArch\w+|SystemCallFilter|UMask)=/

/** All values of each key, in their order. */
function readUnit(file: string): ReadonlyMap<string, readonly string[]> {
  const unit = new Map<string, string[]>()
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [, key, value = ''] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? []
    if (key !== undefined) unit.set(key, [...(unit.get(key) ?? []), value])
  }
  return unit
}

const service = readUnit(SERVICE)
const defaults = mustLoad(
  'listeners: [{ address: "0.0.0.0:5432" }]\nnodes: [{ name: node1, address: pg-0 }]\nmonitor: { user: pgha }',
)

function millisecondsOf(key: string): number {
  const duration = readDuration(service.get(key)?.[0] ?? '')
  if (!duration.ok) throw new Error(`${key} is no duration`)
  return duration.value
}

describe('pgha-proxy.service', () => {
  it('gives a drain the time that the configuration gives it by default', () => {
    expect(millisecondsOf('TimeoutStopSec')).toBeGreaterThan(defaults.shutdown.graceMs + 10_000)
  })

  it('waits for readiness longer than the first round of probes can take', () => {
    expect(millisecondsOf('TimeoutStartSec')).toBeGreaterThan(10 * defaults.monitor.timeoutMs)
  })

  it('bites later than a probe is taken for hanging: a stall that passes costs no restart', () => {
    expect(millisecondsOf('WatchdogSec')).toBeGreaterThan(2 * 10_000)
  })

  it('does not start again what the configuration makes impossible', () => {
    expect(service.get('RestartPreventExitStatus')).toEqual([String(EXIT_CODES.usage)])
  })

  it('has file descriptors for all sessions that the configuration admits by default', () => {
    expect(Number(service.get('LimitNOFILE')?.[0])).toBeGreaterThan(2 * defaults.limits.maxSessions + 1_000)
  })

  it('keeps the state where the configuration has it by default', () => {
    expect(`/var/lib/${service.get('StateDirectory')?.[0]}`).toBe(defaults.stateDir)
  })

  it('lets V8 compile, and children send the reports', () => {
    expect(service.has('MemoryDenyWriteExecute')).toBe(false)
    expect(service.get('NotifyAccess')).toEqual(['all'])
  })
})

describe('the options of Node', () => {
  const unit = service.get('Environment')?.find((value) => value.startsWith('NODE_OPTIONS='))

  it('bound the room for new objects, whatever the memory of the machine', () => {
    const asked = ['--max-old-space-size=1024', '-p', 'v8.getHeapStatistics().heap_size_limit / 2 ** 20']
    const env = { NODE_OPTIONS: unit?.slice('NODE_OPTIONS='.length) }
    const { status, stdout, stderr } = spawnSync(process.execPath, asked, { env, encoding: 'utf8' })
    // The young generation counts as three semi-spaces.
    expect([status, Number(stdout), stderr]).toEqual([0, 1024 + 3 * 16, ''])
  })

  it('are those of the image', () => {
    const image = /^(?:ENV)? +(NODE_OPTIONS=\S+)/m.exec(readFileSync(join(CONFIG, '..', 'Dockerfile'), 'utf8'))?.[1]
    expect(image).toBe(unit)
  })
})

describe('a credential of pgha-proxy.service', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-credentials-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('is the password of the monitoring role, as docs/systemd.md writes it', async () => {
    const [name = ''] = service.get('LoadCredential')?.[0]?.split(':') ?? []
    const [setting = ''] = /^ *password_file: .*$/m.exec(readFileSync(join(DOCS, 'systemd.md'), 'utf8')) ?? []
    writeFileSync(join(folder, name), 'secret\n', { mode: 0o400 })
    const text = `listeners: [{ address: "fd:pg" }]\nnodes: [{ name: node1, address: pg-0 }]\nmonitor:\n  user: pgha\n${setting}`
    const { monitor } = mustLoad(text, { CREDENTIALS_DIRECTORY: folder })
    const address = { host: 'pg-0', port: 5432 }
    expect(await resolveMonitorPassword({ monitor, address, environment: {} })).toMatchObject({ password: 'secret' })
    expect(mustLoad(text, {}).monitor.passwordFile).toBe(service.get('LoadCredential')?.[0]?.split(':')[1])
  })
})

describe('pgha-proxy.socket', () => {
  it('has a name that the configuration can refer to', () => {
    const [name = ''] = readUnit(SOCKET).get('FileDescriptorName') ?? []
    const { listeners } = mustLoad(
      `listeners: [{ address: "fd:${name}" }]\nnodes: [{ name: node1, address: pg-0 }]\nmonitor: { user: pgha }`,
    )
    expect(listeners[0]?.address).toEqual({ kind: 'fd', name: 'pg-primary' })
  })
})

describe.skipIf(leftOut('systemd-analyze', systemdProgramsAvailable('systemd-analyze')))('systemd-analyze', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-units-'))
    copyFileSync(SOCKET, join(folder, 'pgha-proxy.socket'))
    // It looks whether the program is there; on the machine that tests it is not.
    const text = readFileSync(SERVICE, 'utf8').replace('ExecStart=/usr/local/bin/pgha-proxy ', 'ExecStart=/bin/sh ')
    writeFileSync(join(folder, 'pgha-proxy.service'), text)
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  function analyze(...args: readonly string[]) {
    return spawnSync('systemd-analyze', args, { cwd: folder, encoding: 'utf8', timeout: 30_000 })
  }

  it('finds nothing wrong with either unit', () => {
    const { status, stdout, stderr } = analyze('verify', './pgha-proxy.service', './pgha-proxy.socket')
    expect([status, stdout, stderr]).toEqual([0, '', ''])
  })

  it(`finds the service exposed by no more than ${EXPOSURE_MAX} of 10`, () => {
    const { stdout } = analyze('security', '--offline=true', '--no-pager', './pgha-proxy.service')
    const exposure = Number(/Overall exposure level for pgha-proxy\.service: (\d+\.\d+)/.exec(stdout)?.[1])
    expect(exposure).toBeLessThanOrEqual(EXPOSURE_MAX)
  })

  it('has no line against exposure that changes nothing, also where DynamicUser is replaced by a user', () => {
    const file = join(folder, 'pgha-proxy.service')
    const text = readFileSync(file, 'utf8').replace('DynamicUser=yes', 'User=nobody')
    const exposureOf = (unit: string): string => {
      writeFileSync(file, unit)
      return analyze('security', '--offline=true', '--no-pager', './pgha-proxy.service').stdout
    }
    const exposure = exposureOf(text)
    const lines = text.split('\n').filter((line) => HARDENING.test(line))
    expect(lines.length).toBeGreaterThan(15)
    expect(lines.filter((line) => exposureOf(text.replace(`${line}\n`, '')) === exposure)).toEqual([])
  })
})
