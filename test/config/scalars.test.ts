import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatListenerAddress,
  formatNodeAddress,
  readListenerAddress,
  readNodeAddress,
} from '../../src/config/address.ts'
import { formatDuration, readDuration } from '../../src/config/duration.ts'
import { editDistance, nearestWord } from '../../src/config/nearest.ts'
import { formatSize, readSize } from '../../src/config/size.ts'

describe('duration', () => {
  test.each([
    ['250ms', 250],
    ['2s', 2_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1.5s', 1_500],
    ['0.001s', 1],
    ['0s', 0],
    ['2 s', 2_000],
    ['5000601.5s', 5_000_601_500],
  ])('reads %s as %i ms', (text, durationMs) => {
    expect(readDuration(text)).toEqual({ ok: true, value: durationMs })
  })

  test.each([
    ['500', 'has no unit', '500ms'],
    ['0', 'has no unit', '0s'],
    ['-1s', 'is not a duration', null],
    ['1d', 'is not a duration', null],
    ['0.5ms', 'is not a whole number of milliseconds', null],
    ['', 'is not a duration', null],
    ['9999999999999999h', 'is not a duration', null],
  ])('refuses "%s": %s', (text, problem, suggestion) => {
    expect(readDuration(text)).toEqual({ ok: false, problem, suggestion })
  })

  test('reads back what it prints', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(100_000_000), fc.maxSafeNat()), (durationMs) => {
        expect(readDuration(formatDuration(durationMs))).toEqual({ ok: true, value: durationMs })
      }),
    )
  })
})

describe('size', () => {
  test.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['16MiB', 16_777_216],
    ['1GiB', 1_073_741_824],
  ])('reads %s as %i bytes', (text, sizeBytes) => {
    expect(readSize(text)).toEqual({ ok: true, value: sizeBytes })
  })

  test.each([
    ['16MB', 'is not in a binary unit', '16MiB'],
    ['16m', 'is not in a binary unit', '16MiB'],
    ['4096', 'has no unit', '4096B'],
    ['much', 'is not a size', null],
  ])('refuses "%s": %s', (text, problem, suggestion) => {
    expect(readSize(text)).toEqual({ ok: false, problem, suggestion })
  })

  test('reads back what it prints', () => {
    fc.assert(
      fc.property(fc.nat(999_999_999), (sizeBytes) => {
        expect(readSize(formatSize(sizeBytes))).toEqual({ ok: true, value: sizeBytes })
      }),
    )
  })
})

describe('listener address', () => {
  test.each([
    ['0.0.0.0:5432', { kind: 'tcp', host: '0.0.0.0', port: 5432 }],
    ['[::]:5432', { kind: 'tcp', host: '::', port: 5432 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['unix:/run/pgha/.s.PGSQL.5432', { kind: 'unix', path: '/run/pgha/.s.PGSQL.5432' }],
    ['fd:pg-primary', { kind: 'fd', name: 'pg-primary' }],
  ] as const)('reads %s and prints it again', (text, address) => {
    expect(readListenerAddress(text)).toEqual({ ok: true, value: address })
    expect(formatListenerAddress(address)).toBe(text)
  })

  test.each([
    ['5432', 'is a port without a host', '0.0.0.0:5432'],
    ['*:5432', 'names no host', '0.0.0.0:5432'],
    [':5432', 'names no host', '0.0.0.0:5432'],
    ['localhost', 'names no port', 'localhost:5432'],
    ['::1', 'is an IPv6 address without brackets', '[::1]:5432'],
    ['1.2.3.400:5432', 'names no valid host', null],
    ['a b:5432', 'names no valid host', null],
    ['localhost:65536', 'names no valid port (0 to 65535)', null],
    ['localhost:pg', 'names no valid port (0 to 65535)', null],
    ['/run/pg.sock', 'is a path without its kind', 'unix:/run/pg.sock'],
    ['unix:pg.sock', 'names no absolute socket path', null],
    [`unix:/${'x'.repeat(107)}`, 'is a socket path longer than 107 bytes', null],
    ['fd:', 'names no valid systemd socket', null],
  ])('refuses "%s": %s', (text, problem, suggestion) => {
    expect(readListenerAddress(text)).toEqual({ ok: false, problem, suggestion })
  })
})

describe('node address', () => {
  test.each([
    ['pg-0', { host: 'pg-0', port: 5432 }],
    ['pg_0.db.internal:6432', { host: 'pg_0.db.internal', port: 6432 }],
    ['10.0.0.1', { host: '10.0.0.1', port: 5432 }],
    ['[2001:db8::1]:6432', { host: '2001:db8::1', port: 6432 }],
    ['[2001:db8::1]', { host: '2001:db8::1', port: 5432 }],
    ['/var/run/postgresql', { host: '/var/run/postgresql', port: 5432 }],
    ['/var/run/postgresql:6432', { host: '/var/run/postgresql', port: 6432 }],
    ['/odd\nname:6432', { host: '/odd\nname', port: 6432 }],
  ])('reads %s', (text, address) => {
    expect(readNodeAddress(text)).toEqual({ ok: true, value: address })
    expect(readNodeAddress(formatNodeAddress(address))).toEqual({ ok: true, value: address })
  })

  test.each(['', 'pg-0:0', 'a:b:c', '-pg', 'pg..0', '[pg-0]:5432', '/run:0', '2001:db8::1'])('refuses "%s"', (text) => {
    expect(readNodeAddress(text).ok).toBe(false)
  })
})

describe('nearest word', () => {
  test.each([
    ['intervall', 'interval', 1],
    ['fial', 'fail', 1],
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('counts the edits from "%s" to "%s"', (from, to, edits) => {
    expect(editDistance(from, to)).toBe(edits)
    expect(editDistance(to, from)).toBe(edits)
  })

  test('takes - for _ and ignores case', () => {
    expect(nearestWord('Max-Sessions', ['timeout', 'max_sessions'])).toBe('max_sessions')
  })

  test('suggests nothing when nothing is near', () => {
    expect(nearestWord('banana', ['timeout', 'user'])).toBeNull()
  })
})
