import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resolveMonitorPassword } from '../../src/config/monitor-password.ts'
import { findPgpassPassword } from '../../src/config/pgpass.ts'
import { readSecretFile } from '../../src/config/secret-file.ts'

const address = { host: 'pg-0', port: 5432 }
const key = { ...address, database: 'repmgr', user: 'pgha' }

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgha-password-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function put(name: string, text: string, mode = 0o600): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  await chmod(path, mode)
  return path
}

function resolve(given: { password?: string; passwordFile?: string } = {}, environment: Record<string, string> = {}) {
  const monitor = { user: 'pgha', database: 'repmgr', password: null, passwordFile: null, ...given }
  return resolveMonitorPassword({ monitor, address, environment: { HOME: folder, ...environment } })
}

describe('the monitoring password', () => {
  test('comes from password, then password_file, then PGPASSWORD, then ~/.pgpass', async () => {
    const passwordFile = await put('password', 'from file\n')
    await put('.pgpass', '*:*:*:*:from pgpass\n')
    const PGPASSWORD = 'from environment'
    expect(await resolve({ password: 'from config', passwordFile }, { PGPASSWORD })).toMatchObject({
      password: 'from config',
    })
    expect(await resolve({ passwordFile }, { PGPASSWORD })).toMatchObject({ password: 'from file' })
    expect(await resolve({}, { PGPASSWORD })).toMatchObject({ password: 'from environment' })
    expect(await resolve()).toEqual({ kind: 'found', password: 'from pgpass', source: 'pgpass' })
  })

  test('is none, without a warning, when nothing has one', async () => {
    expect(await resolve({}, { PGPASSWORD: '' })).toEqual({ kind: 'none', warning: null })
  })

  test('is looked for in PGPASSFILE rather than at home', async () => {
    await put('.pgpass', '*:*:*:*:home\n')
    const PGPASSFILE = await put('elsewhere', '*:*:*:*:elsewhere\n')
    expect(await resolve({}, { PGPASSFILE })).toMatchObject({ password: 'elsewhere' })
  })

  test.each([0o640, 0o604, 0o660, 0o601])('is not read from a .pgpass with mode %o', async (mode) => {
    await put('.pgpass', '*:*:*:*:hunter2\n', mode)
    const result = await resolve()
    expect(result).toMatchObject({ kind: 'none', warning: expect.stringContaining('0600') })
    expect(JSON.stringify(result)).not.toContain('hunter2')
  })

  test('is read from a .pgpass that only its owner may read', async () => {
    await put('.pgpass', '*:*:*:*:hunter2\n', 0o400)
    expect(await resolve()).toMatchObject({ password: 'hunter2' })
  })

  test('is not read from a directory named .pgpass', async () => {
    expect(await resolve({}, { PGPASSFILE: folder })).toEqual({
      kind: 'none',
      warning: `${folder} is ignored: it is not a regular file`,
    })
  })

  test('fails, rather than falling through, when password_file cannot be used', async () => {
    const passwordFile = join(folder, 'missing')
    expect(await resolve({ passwordFile }, { PGPASSWORD: 'x' })).toEqual({
      kind: 'failed',
      problem: `monitor.password_file ${passwordFile} cannot be read: no such file`,
    })
  })

  test('follows a password file that changes', async () => {
    const passwordFile = await put('password', 'old')
    expect(await resolve({ passwordFile })).toMatchObject({ password: 'old' })
    await put('password', 'new')
    expect(await resolve({ passwordFile })).toMatchObject({ password: 'new' })
  })
})

describe('a secret file', () => {
  test.each([
    ['hunter2', 'hunter2'],
    ['hunter2\n', 'hunter2'],
    ['hunter2\r\n', 'hunter2'],
    [' hunter2 ', ' hunter2 '],
  ])('holding %j gives %j', async (text, secret) => {
    expect(await readSecretFile(await put('secret', text))).toMatchObject({ ok: true, secret })
  })

  test.each([
    ['', 'is empty'],
    ['\n', 'is empty'],
    ['hunter2\nhunter2\n', 'holds more than one line'],
    ['hunter2'.repeat(1_000), 'larger than 4096 bytes'],
  ])('holding %j is refused without telling its content', async (text, words) => {
    const result = await readSecretFile(await put('secret', text))
    expect(result).toMatchObject({ ok: false, problem: expect.stringContaining(words) })
    expect(JSON.stringify(result)).not.toContain('hunter2')
  })
})

describe('a line of .pgpass', () => {
  test.each([
    ['fits by all four fields', 'pg-0:5432:repmgr:pgha:pw', 'pw'],
    ['fits by wildcards', '*:*:*:*:p', 'p'],
    ['keeps colons in the password', '*:*:*:*:a:b', 'a:b'],
    ['has escapes for colon and backslash', '*:*:*:*:a\\:b\\\\c', 'a:b\\c'],
    ['may end a field with an escaped backslash', 'pg-0:5432:repmgr:pgha:x\\\\', 'x\\'],
    ['is passed over for another host', 'pg-1:5432:repmgr:pgha:pw', null],
    ['is passed over for another port', 'pg-0:5433:repmgr:pgha:pw', null],
    ['is passed over for another database', 'pg-0:5432:postgres:pgha:pw', null],
    ['is passed over for another user', 'pg-0:5432:repmgr:other:pw', null],
    ['is passed over as a comment', '#*:*:*:*:pw', null],
    ['is passed over with too few fields', '*:*:*:pw', null],
    ['does not take an escaped asterisk for a wildcard', '\\*:*:*:*:pw', null],
    ['wins when it is the first that fits', 'pg-1:*:*:*:no\n\n# x\n*:*:*:pgha:first\n*:*:*:*:second', 'first'],
    ['may end as on Windows', '*:*:*:*:pw\r\n', 'pw'],
  ])('%s', (_rule, text, password) => {
    expect(findPgpassPassword(text, key)).toBe(password)
  })

  test('is found by a user that ends in a backslash', () => {
    expect(findPgpassPassword('*:*:*:a\\\\:pw', { ...key, user: 'a\\' })).toBe('pw')
  })

  test('is found under localhost for a socket directory', () => {
    expect(findPgpassPassword('localhost:*:*:*:pw', { ...key, host: '/var/run/postgresql' })).toBe('pw')
  })
})
