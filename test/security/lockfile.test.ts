/** Where the dependencies come from: this repository's, and every way in which that could be wrong. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { broughtAlong, findLockfileFaults, readLockfile, readManifest } from './lockfile.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const manifest = readManifest(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const lockfile = readLockfile(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))

const INTEGRITY = `sha512-${'A'.repeat(86)}==`

/** The faults of a lockfile with one shipped package, changed as told; `wanted` is its range in package.json. */
function faultsOf(locked: object, options: { wanted?: string; lockedRoot?: object; allowScripts?: object } = {}) {
  const { wanted = '^1.0.0', allowScripts = {} } = options
  const lockedRoot = options.lockedRoot ?? { dependencies: { a: wanted } }
  const packages = {
    '': lockedRoot,
    'node_modules/a': { version: '1.0.0', integrity: INTEGRITY, license: 'MIT', ...locked },
  }
  const own = { name: 'own', version: '0.0.0', dependencies: { a: wanted }, allowScripts }
  return findLockfileFaults(
    readManifest(JSON.stringify(own)),
    readLockfile(JSON.stringify({ lockfileVersion: 3, packages })),
  )
}

describe('the dependencies of this repository', () => {
  it('come from the registry, are pinned by SHA-512, run no script unasked, and ship under decided licences', () => {
    expect(lockfile.packages.length).toBeGreaterThan(50)
    expect(findLockfileFaults(manifest, lockfile)).toEqual([])
  })

  it('are all brought along by those in package.json', () => {
    const direct = Object.keys(manifest.dependencies)
    const known = new Set(direct.flatMap((name) => [`node_modules/${name}`, ...broughtAlong(name, lockfile)]))
    const shipped = lockfile.packages.filter(({ ships }) => ships).map(({ path }) => path)
    expect(shipped.filter((path) => !known.has(path))).toEqual([])
  })
})

describe('a lockfile', () => {
  it('is fine with a package of the registry, whether it says so or not', () => {
    expect(faultsOf({})).toEqual([])
    expect(faultsOf({ resolved: 'https://registry.npmjs.org/a/-/a-1.0.0.tgz' })).toEqual([])
  })

  it.each([
    ['a mirror of somebody’s own', { resolved: 'http://127.0.0.1:4873/a/-/a-1.0.0.tgz' }, 'comes from http://127'],
    ['git', { version: '1.0.0', resolved: 'git+ssh://git@example.test/a.git#abc' }, 'comes from git'],
    ['a host that begins alike', { resolved: 'https://registry.npmjs.org.evil.test/a.tgz' }, 'comes from'],
    ['a folder', { link: true }, 'is a link'],
    ['no hash', { integrity: undefined }, 'no SHA-512'],
    ['an old hash', { integrity: 'sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }, 'no SHA-512'],
    ['a licence that nobody has decided on', { license: 'AGPL-3.0' }, 'AGPL-3.0'],
    ['no licence', { license: undefined }, 'no licence'],
    ['a script that ships', { hasInstallScript: true }, 'ships and runs a script'],
  ])('has a fault with %s', (_, locked, words) => {
    expect(faultsOf(locked).join('\n')).toContain(words)
  })

  it('asks for a word about each script of what builds and tests, and for none about what is gone', () => {
    const script = { hasInstallScript: true, dev: true }
    expect(faultsOf(script)).toEqual([expect.stringContaining('say true or false')])
    expect(faultsOf(script, { allowScripts: { a: false } })).toEqual([])
    expect(faultsOf({}, { allowScripts: { b: true } })).toEqual([expect.stringContaining('names b')])
  })

  it.each(['*', 'latest', '>=1', '1.x', 'git+https://example.test/a.git', 'file:../a', 'npm:b@1.0.0', 'b/a', ''])(
    'has a fault when package.json wants %j',
    (wanted) => {
      expect(faultsOf({}, { wanted }).join('\n')).toContain('give a version')
    },
  )

  it('has a fault when it was made for another package.json', () => {
    expect(faultsOf({}, { lockedRoot: { dependencies: { a: '^0.9.0' } } })).toEqual([
      expect.stringContaining('made for another a'),
    ])
    expect(faultsOf({}, { lockedRoot: { dependencies: { a: '^1.0.0', b: '^1.0.0' } } })).toEqual([
      expect.stringContaining('still has b'),
    ])
  })
})
