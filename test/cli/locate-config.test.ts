import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findAdminTarget, findToken } from '../../src/cli/admin-target.ts'
import { DEFAULT_ADMIN_URL } from '../../src/cli/admin-url.ts'
import { locateConfig } from '../../src/cli/locate-config.ts'
import { MINIMAL } from '../support/config-text.ts'
import { fakeTerminal } from './fake-terminal.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-locate-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

describe('the configuration of a command', () => {
  it('is the one that was given, there or not', async () => {
    expect(await locateConfig('/nowhere.yaml', [write('ha.yaml', '')])).toBe('/nowhere.yaml')
  })

  it('is otherwise the first of the usual places that is there', async () => {
    const second = write('second.yaml', '')
    expect(await locateConfig(null, [join(folder, 'first.yaml'), second, write('third.yaml', '')])).toBe(second)
  })

  it('is missed with the names of the places that were looked into', async () => {
    const places = [join(folder, 'a.yaml'), join(folder, 'b.yaml')]
    await expect(locateConfig(null, places)).rejects.toMatchObject({
      exitCode: 2,
      remedy: `give --config FILE; without it these were looked for: ${places[0]} (no such file), ${places[1]} (no such file)`,
    })
  })
})

describe('the admin address', () => {
  const find = (options: { url?: string; config?: string; usualFiles?: string[] }) =>
    findAdminTarget({ url: null, config: null, usualFiles: [], ...options }, fakeTerminal())
  const withAdmin = (admin: string): string => write('ha.yaml', `${MINIMAL}\nadmin: ${admin}\n`)

  it('is the default one when nothing else is known', async () => {
    expect((await find({})).url.href).toBe(`${DEFAULT_ADMIN_URL}/`)
  })

  it.each([
    ['{ address: "127.0.0.1:9000" }', 'http://127.0.0.1:9000/'],
    ['{ address: "0.0.0.0:9000" }', 'http://127.0.0.1:9000/'],
    ['{ address: "[::]:9000" }', 'http://[::1]:9000/'],
    ['{ address: "proxy.internal:9000" }', 'http://proxy.internal:9000/'],
  ])('comes out of admin: %s as %s, without the warnings of the configuration', async (admin, url) => {
    const terminal = fakeTerminal()
    const found = await findAdminTarget({ url: null, config: withAdmin(admin) }, terminal)
    expect(found.url.href).toBe(url)
    expect(terminal.stderr()).toBe('')
  })

  it('is looked up in the usual places, unless a URL was given', async () => {
    const usualFiles = [withAdmin('{ address: "127.0.0.1:9000" }')]
    expect((await find({ usualFiles })).url.port).toBe('9000')
    expect(await find({ usualFiles, url: 'http://10.0.0.9:8432' })).toMatchObject({ configured: null })
  })

  it('is that of --url when both are given, and the configuration keeps the token', async () => {
    const config = withAdmin('{ address: "127.0.0.1:9000", token: abc }')
    const target = await find({ config, url: 'http://10.0.0.9:8432' })
    expect(target.url.href).toBe('http://10.0.0.9:8432/')
    expect(await findToken(target, null)).toBe('abc')
  })

  it.each([
    ['off', 'set admin.address'],
    ['{ address: "127.0.0.1:0" }', 'give --url'],
  ])('cannot be had from admin: %s, and the remedy is named', async (admin, remedy) => {
    await expect(find({ config: withAdmin(admin) })).rejects.toMatchObject({
      exitCode: 2,
      remedy: expect.stringContaining(remedy),
    })
  })
})

describe('the token of an order', () => {
  const target = async (admin: string) =>
    findAdminTarget({ url: null, config: write('ha.yaml', `${MINIMAL}\nadmin: ${admin}\n`) }, fakeTerminal())

  it('comes from --token-file before all else', async () => {
    const file = write('token', 'from-file\n')
    expect(await findToken(await target('{ token: from-config }'), file)).toBe('from-file')
  })

  it('is missed with what to do about it', async () => {
    await expect(findToken(await target('{}'), null)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('has no admin token: orders are off'),
      remedy: expect.stringContaining('set admin.token_file'),
    })
    await expect(findToken(await target('{ token_file: /nowhere }'), null)).rejects.toMatchObject({
      message: expect.stringContaining('admin.token_file /nowhere cannot be read: no such file'),
      remedy: expect.stringContaining('--token-file FILE'),
    })
  })
})
