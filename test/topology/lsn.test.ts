import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatLsn, type Lsn, lsnDistanceBytes, parseLsn } from '../../src/topology/lsn.ts'

describe('Lsn', () => {
  it('survives printing and reading', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        expect(parseLsn(formatLsn(value as Lsn))).toBe(value)
      }),
    )
  })

  it('is printed as PostgreSQL prints it', () => {
    expect(formatLsn(0x0000_000a_0000_0bcdn as Lsn)).toBe('A/BCD')
  })

  it.each(['', '/', '1', '1/', '/1', 'g/0', '123456789/0', '0/0 '])('does not take %j for one', (text) => {
    expect(parseLsn(text)).toBeNull()
  })

  it('measures how far one is behind, and never less than nothing', () => {
    const [low, high] = [parseLsn('0/FF'), parseLsn('1/0')]
    if (low === null || high === null) throw new Error('these are LSNs')
    expect(lsnDistanceBytes(high, low)).toBe(2 ** 32 - 0xff)
    expect(lsnDistanceBytes(low, high)).toBe(0)
  })
})
