import { describe, expect, it } from 'vitest'
import { renderResult } from './result-table.ts'
import { GOOD_TALLY } from './sample-tally.ts'

describe('renderResult', () => {
  it('shows every number with what it means, in columns', () => {
    expect(renderResult(GOOD_TALLY)).toEqual([
      'writes acknowledged        4,135  13 sent again after an error left them in doubt',
      'writes lost                    0  must be 0; counted in the database of the last primary',
      'writes on an old primary       0  must be 0; acknowledged by it, or found in it',
      'read-only errors               0  must be 0 (SQLSTATE 25006)',
      'new connections refused        0  must be 0; 813 opened, the longest wait 1.71 s',
      'logins cut short               2  the server died half-way; tried again',
      'running sessions ended        14  57P01 x10, 08006 x4',
      'longest stall             1.76 s  between two acknowledged writes',
      'promotion of node2         67 ms  until a new session was open there; routed after 12 ms',
      '',
      '                              no primary  no write acknowledged',
      'node1 killed, node2 promoted      1.65 s                 1.70 s',
    ])
  })

  it('says never where no session reached a promoted node', () => {
    const promotions = [{ node: 'node2', toRoutedMs: null, toFirstSessionMs: null }]
    expect(renderResult({ ...GOOD_TALLY, promotions }).join('\n')).toMatch(/promotion of node2 +never/)
  })

  it('spells out errors that came without a code', () => {
    const errorsBySqlstate = { none: 1, '57P01': 1 }
    expect(renderResult({ ...GOOD_TALLY, errorsBySqlstate }).join('\n')).toContain('57P01 x1, no SQLSTATE x1')
  })
})
