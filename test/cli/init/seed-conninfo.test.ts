import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSeedConninfo } from '../../../src/cli/init/seed-conninfo.ts'

const DEFAULTS = { password: null, database: 'repmgr', sslmode: 'prefer' }

describe('the connection string of init', () => {
  it.each([
    ['host=pg-0 user=repmgr', { address: { host: 'pg-0', port: 5432 }, user: 'repmgr' }],
    [
      "host = pg-0 port=6432 user='re p' password='it\\'s' dbname=other sslmode=verify-full connect_timeout=2",
      {
        address: { host: 'pg-0', port: 6432 },
        user: 're p',
        password: "it's",
        database: 'other',
        sslmode: 'verify-full',
      },
    ],
    ['host=/run/postgresql user=repmgr', { address: { host: '/run/postgresql', port: 5432 }, user: 'repmgr' }],
    [
      'postgresql://re%20p:a%40b@pg-0:6432/other?sslmode=disable',
      { address: { host: 'pg-0', port: 6432 }, user: 're p', password: 'a@b', database: 'other', sslmode: 'disable' },
    ],
    ['postgres://pg-0/?user=repmgr', { address: { host: 'pg-0', port: 5432 }, user: 'repmgr' }],
    ["host=pg-0 user=repmgr password='' dbname=", { address: { host: 'pg-0', port: 5432 }, user: 'repmgr' }],
  ])('is read as libpq reads it: %s', (text, login) => {
    expect(readSeedConninfo(text)).toEqual({ ok: true, login: { ...DEFAULTS, ...login } })
  })

  it.each([
    ['nonsense', 'it is no connection string of libpq'],
    ["host='pg-0", 'it is no connection string of libpq'],
    ['postgresql://%zz@pg-0', 'it is no connection string of libpq'],
    ['user=repmgr', 'it names no host'],
    ['host=pg-0', 'it names no user'],
    ['host=pg-0 user=x sslmode=yes', 'its sslmode is none of disable, allow, prefer, require, verify-ca, verify-full'],
  ])('is refused with what is wrong: %s', (text, problem) => {
    expect(readSeedConninfo(text)).toEqual({ ok: false, problem })
  })

  it('never throws, and its problem never repeats it', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `postgresql://${text}`),
        ),
        (text) => {
          const reading = readSeedConninfo(`${text} secret-4711`)
          if (!reading.ok) expect(reading.problem).not.toContain('4711')
        },
      ),
    )
  })
})
