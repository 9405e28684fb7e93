import { describe, expect, it } from 'vitest'
import type { OrderRefusal } from '../../src/admin/token-gate.ts'
import { OrderAudit } from '../../src/daemon/order-audit.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

const MINUTE_MS = 60_000

function setUp() {
  const clock = new FakeClock()
  const log = createMemoryLog()
  const audit = new OrderAudit({ logger: log.logger, clock })
  const refuse = (client: string, why: OrderRefusal['why'] = 'wrong-token'): void =>
    audit.takeRefusal({ name: 'fence', client, why })
  return { clock, audit, refuse, records: log.lines }
}

describe('the log of orders', () => {
  it('has one line for each: who, what, which node, why, and what became of it', () => {
    const { audit, records } = setUp()
    const client = '192.0.2.7'
    const done = { ok: true, message: 'node1 is fenced' } as const
    audit.takeOrder({ order: { kind: 'fence', node: 'node1' }, reason: 'its disk fails', client, result: done })
    const refused = { ok: false, problem: 'the proxy is stopping' } as const
    audit.takeOrder({ order: { kind: 'drain', isOn: true }, reason: null, client: '[local]', result: refused })

    expect(records).toMatchObject([
      {
        level: 40,
        msg: 'order',
        order: 'fence',
        node: 'node1',
        reason: 'its disk fails',
        client,
        ok: true,
        result: 'node1 is fenced',
      },
      { msg: 'order', order: 'drain', isOn: true, client: '[local]', ok: false, result: 'the proxy is stopping' },
    ])
    expect(records[1]).not.toHaveProperty('reason')
  })

  it('has the first refusal at once, and what a flood adds to it once a minute', () => {
    const { clock, refuse, records } = setUp()
    refuse('192.0.2.7', 'no-token')
    expect(records).toMatchObject([{ msg: 'order refused', order: 'fence', client: '192.0.2.7', why: 'no-token' }])
    for (let count = 0; count < 5_000; count += 1) refuse(`192.0.2.${count % 7}`)
    expect(records).toHaveLength(1)

    clock.advance(MINUTE_MS)
    expect(records).toHaveLength(2)
    expect(records[1]).toMatchObject({ level: 40, msg: 'more orders refused', count: 5_000 })
    expect(Object.keys(records[1]?.['clients'] as object)).toHaveLength(6)
    refuse('192.0.2.1')
    clock.advance(MINUTE_MS)
    expect(records[2]).toMatchObject({ count: 1, clients: { '192.0.2.1': 1 } })
  })

  it('has the next refusal at once again when a minute was quiet', () => {
    const { clock, refuse, records } = setUp()
    refuse('192.0.2.7')
    clock.advance(MINUTE_MS)
    expect(clock.pendingCount).toBe(0)
    refuse('192.0.2.7')
    expect(records.map(({ msg }) => msg)).toEqual(['order refused', 'order refused'])
  })

  it('loses nothing at the end, and leaves no timer', () => {
    const { clock, audit, refuse, records } = setUp()
    refuse('192.0.2.7')
    refuse('192.0.2.7')
    audit.close()
    expect(records[1]).toMatchObject({ msg: 'more orders refused', count: 1 })
    expect(clock.pendingCount).toBe(0)
  })
})
