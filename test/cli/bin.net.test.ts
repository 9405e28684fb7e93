/** The program as it is published: built with the project's own compiler, run from its `dist` by this Node and by older ones. */
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Where distributions put theirs. */
const OTHER_NODES = ['/usr/bin/node', '/usr/local/bin/node', '/usr/bin/nodejs']
const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

let folder: string
let bin: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-dist-'))
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist')], {
    cwd: ROOT,
    stdio: 'pipe',
  })
  bin = join(folder, 'dist', 'cli', 'bin.js')
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true }))

function run(args: readonly string[], node = process.execPath) {
  const { status, stdout, stderr } = spawnSync(node, [bin, ...args], { encoding: 'utf8', timeout: 30_000, cwd: folder })
  return { code: status, stdout, stderr }
}

describe('the built program', () => {
  it('is what package.json names, and can be run by its name', () => {
    const { bin: bins } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      bin: Record<string, string>
    }
    expect(bins).toEqual({ 'pgha-proxy': 'dist/cli/bin.js' })
    expect(readFileSync(bin, 'utf8').split('\n', 1)).toEqual(['#!/usr/bin/env node'])
  })

  it('prints its version and its help', () => {
    expect(run(['--version'])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' })
    expect(run(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Commands:'), stderr: '' })
  })

  it('refuses a faulty configuration with all its faults and code 2', () => {
    const file = join(folder, 'faulty.yaml')
    writeFileSync(file, 'listeners: [{ address: "127.0.0.1:5432" }]\nnodes: []\nmonitor: { usr: pgha }\n')
    const { code, stdout, stderr } = run(['check', '--config', file])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(`${file}:2: nodes: is an empty list`)
    expect(stderr).toContain(`${file}:3: monitor.usr: unknown key (did you mean "user"?)`)
    expect(stderr.trimEnd().split('\n').at(-1)).toBe('3 faults')
    const asJson = run(['check', '--config', file, '--json'])
    expect(asJson).toMatchObject({ code: 2, stderr: '' })
    const { faults } = JSON.parse(asJson.stdout) as { faults: { path: string }[] }
    expect(faults.map(({ path }) => path).sort()).toEqual(['monitor.user', 'monitor.usr', 'nodes'])
  })
})

function isTooOld(node: string): boolean {
  if (!existsSync(node)) return false
  const [, major = '0', minor = '0'] =
    /^v(\d+)\.(\d+)\./.exec(spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout) ?? []
  return Number(major) < 22 || (major === '22' && Number(minor) < 22)
}

const oldNode = OTHER_NODES.find(isTooOld)

describe.skipIf(
  leftOut(
    'the message of an old Node.js',
    oldNode !== undefined || `no Node.js below 22.22 among ${OTHER_NODES.join(', ')}`,
  ),
)('under a Node.js that is too old', () => {
  it('says which one is needed, which one this is, and what to do', () => {
    const { code, stdout, stderr } = run(['--version'], oldNode)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^pgha-proxy needs Node\.js 22\.22 or newer; this is \d+\.\d+\.\d+ \(\//)
    expect(stderr).toContain('npx node@24')
  })
})

describe('the entry', () => {
  it('has nothing in it that Node 12 cannot parse', () => {
    // What came later: top-level await, ??, ?., ??=, private fields, static blocks, numeric separators.
    const code = readFileSync(bin, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*|'(?:[^'\\\n]|\\.)*'|`[^`]*`/g, '')
    expect(code).not.toMatch(/\?\?|\?\.[^\d]|\|\|=|&&=|#\w|static \{|\d_\d|^\s*(?:const .*= )?await /m)
    expect(code).toContain('import(')
  })
})
