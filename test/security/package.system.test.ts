/**
 * What is published, and whether it runs where nothing else is: packed from a copy of the sources, so that nothing of this
 * checkout can get in, and installed beside nothing. npm takes what it lacks from the registry.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** What `npm pack` is given: what the build needs, and what is named under `files`. */
const SOURCES = [
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'config',
  'src',
  'tsconfig.json',
  'tsconfig.build.json',
]
/** What lies about in a checkout, and has no place in a package. */
const LITTER = [
  // Of a source that is no more.
  'dist/gone.js',
  '.env',
  '.npmrc',
  'ha.yaml',
  'token',
  'test/x.test.ts',
  'docs/x.md',
  'notes.md',
  'dist.tsbuildinfo',
  'x.tgz',
]

/** As words in a file: none of these is ever meant to be there. */
const SECRETS =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----|\bnpm_[A-Za-z0-9]{36}\b|\bgh[pousr]_[A-Za-z0-9]{36}\b|\bAKIA[0-9A-Z]{16}\b/

interface Finished {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

const folder = mkdtempSync(join(tmpdir(), 'pgha-package-'))
const copy = join(folder, 'copy')
const user = join(folder, 'user')
const installed = join(user, 'node_modules', 'pgha-proxy')

/** With the Node that runs the tests in front: the system's own may be too old. */
async function run(cwd: string, program: string, args: readonly string[]): Promise<Finished> {
  const PATH = [dirname(process.execPath), process.env['PATH']].join(delimiter)
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, PATH, NODE_PATH: '', NO_COLOR: '1' },
    timeout: 110_000,
  })
  const said = { output: '', errors: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.errors += text))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, ...said }
}

async function succeed(cwd: string, program: string, args: readonly string[]): Promise<string> {
  const { code, output, errors } = await run(cwd, program, args)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${errors}${output}`)
  return output
}

/** Every file below, with slashes, in order. */
function filesBelow(where: string): string[] {
  return readdirSync(where, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(where, path)).isFile())
    .sort()
}

beforeAll(async () => {
  for (const name of SOURCES) cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  for (const name of LITTER) {
    mkdirSync(dirname(join(copy, name)), { recursive: true })
    writeFileSync(join(copy, name), name === '.npmrc' ? '' : 'password: s3cret-word\n')
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  mkdirSync(user)
  writeFileSync(join(user, 'package.json'), '{ "name": "user", "private": true }')
  await succeed(copy, 'npm', ['pack', '--pack-destination', user])
  const [tarball = ''] = readdirSync(user).filter((name) => name.endsWith('.tgz'))
  await succeed(user, 'npm', ['install', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`])
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true }))

describe('the package', () => {
  it('holds the compiled program, its page, the examples and the words about it, and nothing else', () => {
    const source = filesBelow(join(ROOT, 'src')).map((path) => `dist/${path.replace(/\.ts$/, '.js')}`)
    const config = filesBelow(join(ROOT, 'config')).map((path) => `config/${path}`)
    const expected = [...source, ...config, 'CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']
    expect(filesBelow(installed)).toEqual(expected.sort())
  })

  it('tells nothing of the machine that built it: no path, no source map, no secret', () => {
    const names = [ROOT, folder, homedir()].map((path) => `${path}/`).filter((path) => path !== '//')
    const telling = filesBelow(installed).filter((path) => {
      const text = readFileSync(join(installed, path), 'utf8')
      // The documentation has paths of its own, such as the home of a user that it makes up.
      const isOurs = path.startsWith('dist/') || path === 'package.json'
      return (
        SECRETS.test(text) || text.includes('sourceMappingURL') || (isOurs && names.some((name) => text.includes(name)))
      )
    })
    expect(telling).toEqual([])
  })

  it('has nothing that somebody else could write to, and one program', () => {
    const modes = filesBelow(installed).map((path) => [path, statSync(join(installed, path)).mode & 0o777] as const)
    expect(modes.filter(([, mode]) => (mode & 0o022) !== 0)).toEqual([])
    expect(modes.filter(([, mode]) => (mode & 0o111) !== 0).map(([path]) => path)).toEqual(['dist/cli/bin.js'])
    expect(readFileSync(join(installed, 'dist/cli/bin.js'), 'utf8').split('\n', 1)).toEqual(['#!/usr/bin/env node'])
  })

  it('brings along what is locked here and nothing that is not, down to the version', () => {
    const read = (file: string) =>
      JSON.parse(readFileSync(file, 'utf8')) as {
        packages: Record<string, { version?: string; integrity?: string; dev?: boolean }>
      }
    const locked = read(join(ROOT, 'package-lock.json')).packages
    const got = Object.entries(read(join(user, 'node_modules', '.package-lock.json')).packages)
    const known = new Set(Object.values(locked).map(({ integrity }) => integrity))
    const others = got.filter(([path]) => path !== 'node_modules/pgha-proxy')
    expect(others.length).toBeGreaterThan(10)
    // A newer one within the ranges may have come out since; one that came by another way has no such name here.
    const shipped = new Set(
      Object.entries(locked)
        .filter(([, { dev }]) => dev !== true)
        .map(([path]) => path),
    )
    expect(others.map(([path]) => path).filter((path) => !shipped.has(path))).toEqual([])
    expect(others.filter(([, { integrity }]) => integrity === undefined)).toEqual([])
    expect(others.some(([, { integrity }]) => known.has(integrity))).toBe(true)
  })

  it('runs from where it was installed: says its version, and checks a configuration', async () => {
    const program = join(user, 'node_modules', '.bin', 'pgha-proxy')
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect(await succeed(user, program, ['--version'])).toBe(`${version}\n`)
    const address = `127.0.0.1:${await freePort()}`
    const config = [
      'listeners: [{ address: 127.0.0.1:0 }]',
      `nodes: [{ name: node1, address: "${address}" }]`,
      'monitor: { user: pgha, password: none }',
    ]
    writeFileSync(join(user, 'ha.yaml'), `${config.join('\n')}\n`)
    const { code, output, errors } = await run(user, program, ['check', '--config', 'ha.yaml'])
    expect([code, errors]).toEqual([3, ''])
    expect(output).toContain('node1')
  })
})
