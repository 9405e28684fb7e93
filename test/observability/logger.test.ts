import { describe, expect, it } from 'vitest'
import { lineForPeople } from '../../src/observability/logger.ts'

describe('a line of the log for people', () => {
  it('is the message and the sentences that complete it', () => {
    expect(lineForPeople({ msg: 'decision', reason: 'node1 is primary' }, 'msg')).toBe('decision: node1 is primary')
    expect(lineForPeople({ msg: 'warning', warning: 'node1 refuses connections' }, 'msg')).toBe(
      'node1 refuses connections',
    )
  })

  it('has no escape sequence, no line break and no other control character, whoever wrote the sentence', () => {
    const reason = 'node1\u001b[2J\u001b]0;title\u0007 says\r\n12:00:00 INFO all is well\u009b31m'
    expect(lineForPeople({ msg: 'decision', reason }, 'msg')).toBe('decision: node1 says  12:00:00 INFO all is well')
  })
})
