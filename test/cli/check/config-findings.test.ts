import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConfigEvidence, findConfigFaults } from '../../../src/cli/check/config-findings.ts'
import { MINIMAL, mustLoad } from '../../support/config-text.ts'

const SOUND: ConfigEvidence = {
  warnings: [],
  hasAdminToken: true,
  statePath: '/var/lib/pgha-proxy/state.json',
  loadedState: { kind: 'absent' },
  backlogMax: 4096,
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-findings-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const find = (text = '', evidence: Partial<ConfigEvidence> = {}, passwordProblems = new Map<string, string>()) =>
  findConfigFaults(mustLoad(`${MINIMAL}\n${text}`), { ...SOUND, ...evidence }, { passwordProblems })

describe('findings about the configuration', () => {
  it('are none when all is well, or the first start is still to come', async () => {
    expect(await find()).toEqual([])
  })

  it('note that orders are off without a token, unless the admin server is off too', async () => {
    expect(await find('', { hasAdminToken: false })).toEqual([
      expect.objectContaining({ severity: 'note', code: 'no-admin-token' }),
    ])
    expect(await find('admin: off', { hasAdminToken: false })).toEqual([])
  })

  it('say once what is wrong with the password of several nodes', async () => {
    const problem = 'monitor.password_file /x cannot be read: permission denied'
    const problems = new Map([
      ['node1', problem],
      ['node2', problem],
    ])
    expect(await find('', {}, problems)).toEqual([
      expect.objectContaining({ severity: 'problem', code: 'password', message: problem }),
    ])
  })

  it('tell of a secret that everybody may read, with the command that ends it', async () => {
    const file = join(folder, 'token')
    writeFileSync(file, 'x')
    chmodSync(file, 0o644)
    const text = `admin: { token_file: ${file} }`
    expect(await find(text)).toEqual([
      expect.objectContaining({ code: 'secret-readable', statements: [`chmod o-rwx ${file}`] }),
    ])
    chmodSync(file, 0o640)
    expect(await find(text)).toEqual([])
  })

  it('tell of a state directory in which everybody may write: whoever does chooses the primary that is believed', async () => {
    const statePath = join(folder, 'state.json')
    chmodSync(folder, 0o777)
    expect(await find('', { statePath })).toEqual([
      expect.objectContaining({ severity: 'warning', code: 'state-writable', statements: [`chmod o-rwx ${folder}`] }),
    ])
    chmodSync(folder, 0o750)
    expect(await find('', { statePath })).toEqual([])
  })

  it('say that the decision was made without memory when the state file cannot be read', async () => {
    const [finding] = await find('', { loadedState: { kind: 'unreadable', problem: 'EACCES' } })
    expect(finding).toMatchObject({ severity: 'warning', code: 'state-unreadable' })
    expect(finding?.message).toContain('/var/lib/pgha-proxy/state.json cannot be read (EACCES)')
  })

  it('tell of a kernel that keeps fewer connections waiting than a failover brings', async () => {
    const [finding] = await find('', { backlogMax: 128 })
    expect(finding).toMatchObject({
      ...{ severity: 'warning', code: 'short-backlog' },
      statements: ['sysctl -w net.core.somaxconn=1024'],
    })
    expect(finding?.message).toContain('the kernel keeps 128 connections')
    expect(await find('', { backlogMax: 1024 })).toEqual([])
    expect(await find('', { backlogMax: null })).toEqual([])
  })

  it('repeat the warnings of the configuration', async () => {
    const warning = {
      path: 'policy.grace',
      line: 4,
      column: 1,
      value: '1s',
      problem: 'is short',
      expected: 'about 2s',
      suggestion: null,
    }
    expect(await find('', { warnings: [warning] })).toEqual([
      expect.objectContaining({ code: 'configuration', message: 'policy.grace is short', remedy: 'better: about 2s' }),
    ])
  })
})
