import { describe, expect, it } from 'vitest'
import { MadeHistory, NO_PRIMARY, told } from './made-history.ts'

const NO_STANDBY = told(
  '57P03',
  'the database system is not accepting connections: no standby available (no connection to the server)',
)
const REFUSED = told('ECONNREFUSED', 'connect ECONNREFUSED 10.77.0.21:5432')

function well(): MadeHistory {
  return new MadeHistory().truth('node1', { timelineId: 1 }).standby('node2')
}

describe('the rules of waiting', () => {
  describe('refused-early', () => {
    it('is broken by a refusal before hold.timeout', () => {
      expect(well().connect('a', 5_000).refused(24_000, NO_PRIMARY).broken()).toEqual(['refused-early'])
    })

    it('is kept by a refusal when hold.timeout is over', () => {
      expect(well().connect('a', 5_000).refused(35_000, NO_PRIMARY).broken()).toEqual([])
      expect(well().connect('a', 5_000).refused(34_600, NO_PRIMARY).broken()).toEqual([])
    })

    it('is kept by a login whose server died, or lost its role', () => {
      const refused = (): MadeHistory => well().connect('a', 10_000).refused(10_500, NO_PRIMARY)
      expect(
        refused()
          .fault({ down: ['node1'] }, 10_200, 12_000)
          .broken(),
      ).toEqual([])
      expect(
        refused()
          .fault({ down: ['node1'] }, 2_000, 3_000)
          .broken(),
      ).toEqual(['refused-early'])
      expect(refused().accepted('proxy1', 10_400, 'node2', 2).broken()).toEqual([])
    })
  })

  describe('held-with-primary', () => {
    const held = (from: number, to: number): MadeHistory =>
      new MadeHistory()
        .decision('proxy1', from, 'serving', 'node1')
        .decision('proxy1', to, 'no-primary', null)
        .connect('a', 1_000)
        .refused(31_000, NO_PRIMARY)

    it('is broken by a refusal of somebody who waited while there was a primary for long', () => {
      expect(held(10_000, 17_000).broken()).toEqual(['held-with-primary'])
      // Also when there was one before he came, and when there still is one.
      expect(held(0, 8_000).broken()).toEqual(['held-with-primary'])
      expect(held(24_000, 50_000).broken()).toEqual(['held-with-primary'])
    })

    it('is broken by a login that comes long after there was a primary', () => {
      const opened = (since: number): MadeHistory =>
        well()
          .decision('proxy1', 100, 'no-primary', null)
          .decision('proxy1', since, 'serving', 'node1')
          .connect('a', 1_000)
          .opened(20_000).history
      expect(opened(10_000).broken()).toEqual(['held-with-primary'])
      expect(opened(11_500).broken()).toEqual([])
      expect(
        opened(10_000)
          .fault({ frozen: ['node1'] }, 12_000, 13_000)
          .broken(),
      ).toEqual([])
    })

    it('is kept when the primary was there for a moment only, or at another time', () => {
      expect(held(10_000, 12_000).broken()).toEqual([])
      expect(held(32_000, 50_000).broken()).toEqual([])
    })

    it('is kept by a proxy that stood still', () => {
      expect(
        held(10_000, 17_000)
          .fault({ frozen: ['proxy1'] }, 10_100, 16_900)
          .broken(),
      ).toEqual([])
    })
  })

  describe('connect-takes-long', () => {
    it('is broken by a connect that is decided long after hold.timeout, or never', () => {
      expect(well().connect('a', 1_000).opened(34_100).history.broken()).toEqual(['connect-takes-long'])
      expect(well().connect('a', 1_000).history.broken()).toEqual(['connect-takes-long'])
    })

    it('is kept within hold.timeout, and when something stood still', () => {
      expect(well().connect('a', 1_000).opened(33_900).history.broken()).toEqual([])
      const frozen = well().fault({ frozen: ['proxy1'] }, 20_000, 30_000)
      expect(frozen.connect('a', 1_000).opened(34_100).history.broken()).toEqual([])
    })
  })

  describe('refused-without-cause', () => {
    it.each([
      { what: 'a refused connection', error: REFUSED },
      { what: 'a connection that is cut off', error: told(null, 'Connection terminated unexpectedly') },
      { what: 'the word that the proxy stops', error: told('57P03', 'the database system is shutting down') },
      { what: 'a connect that is given up', error: told('GAVE-UP', 'no TCP connection') },
    ])('is broken by $what while the proxy runs', ({ error }) => {
      const refused = (): MadeHistory => well().connect('a', 10_000).refused(10_500, error)
      expect(refused().broken()).toEqual(['refused-without-cause'])
      expect(
        refused()
          .fault({ sessionsLost: ['proxy2'] }, 9_000, 12_000)
          .broken(),
      ).toEqual(['refused-without-cause'])
      expect(
        refused()
          .fault({ down: ['proxy1'], sessionsLost: ['proxy1'] }, 9_000, 12_000)
          .broken(),
      ).toEqual([])
      expect(
        refused()
          .fault({ cut: [['clients', 'proxy1']] }, 9_000, 12_000)
          .broken(),
      ).toEqual([])
    })

    it('is broken by readers who find no standby long after everything was well', () => {
      const refused = (at: number): MadeHistory =>
        well()
          .fault({ down: ['node2'] }, 5_000, 10_000)
          .connect('r', at, 'read')
          .refused(at + 10, NO_STANDBY)
      expect(refused(29_000).broken()).toEqual([])
      expect(refused(31_000).broken()).toEqual(['refused-without-cause'])
    })

    it('is broken by a login that nobody answers when its worker was lost: whoever loses a session is told', () => {
      const refused = well().connect('a', 10_000).refused(47_000, told('GAVE-UP', 'no login'))
      expect(refused.fault({ sessionsLost: ['proxy1'] }, 9_000, 27_000).broken()).toEqual(['refused-without-cause'])
    })

    it('is kept by a login that waits for a server that stands still', () => {
      const refused = well().connect('a', 10_000).refused(47_000, told('GAVE-UP', 'no login'))
      expect(refused.fault({ frozen: ['node1'] }, 9_000, 50_000).broken()).toEqual([])
    })
  })

  describe('unknown-error', () => {
    it.each([
      { what: 'a code that nobody documents', error: told('XX000', 'cache lookup failed') },
      {
        what: 'the words of a server that starts, which is no place for a session',
        error: told('57P03', 'the database system is starting up'),
      },
      {
        what: 'a full hold queue',
        error: told(
          '57P03',
          'the database system is not accepting connections: connection hold queue is full (no connection to the server)',
        ),
      },
      { what: 'a word of readers to a writer', error: NO_STANDBY },
      { what: 'words to a session', error: told('08006', 'server closed the connection unexpectedly') },
      { what: 'a protocol violation', error: told('08P01', 'invalid startup packet: no user') },
    ])('is broken by $what', ({ error }) => {
      expect(well().connect('a', 1_000).refused(1_010, error).broken()).toEqual(['unknown-error'])
    })

    it('is broken within a session by a refusal of logins, and by an error of a statement', () => {
      const fault = (): MadeHistory => well().fault({ down: ['node1'] }, 500)
      expect(fault().open('a', 1_000).closed(2_000, 'other', NO_PRIMARY).broken()).toEqual(['unknown-error'])
      const unique = told('23505', 'duplicate key value violates unique constraint')
      expect(fault().open('a', 1_000).fails(1, 1_500, unique).history.broken()).toEqual(['unknown-error'])
    })

    it('is told once for an error that ends an operation and its session', () => {
      const error = told('XX000', 'cache lookup failed')
      const history = well().fault({ down: ['node1'] }, 500)
      const both = history.open('a', 1_000).fails(1, 1_500, error).closed(1_510, 'other', error)
      expect(both.broken()).toEqual(['unknown-error'])
    })
  })

  describe('liveness', () => {
    const healed = (client: string, servedAt: number, calmAt: number): MadeHistory => {
      const history = well()
        .phase('faults', 1_000)
        .phase('healing', 8_000)
        .phase('healed', 10_000)
        .phase('calm', calmAt)
      return history
        .open(client, 500)
        .write(1, 600)
        .write(2, servedAt - 10)
        .closed(50_000)
    }

    it('is broken by a client that is not served within the bound', () => {
      expect(healed('steady-proxy1', 31_100, 32_000).broken()).toEqual(['liveness'])
      expect(healed('steady-proxy1', 30_900, 32_000).broken()).toEqual([])
    })

    it('is broken by a client that is not served before calm, but for those that are silent for long', () => {
      expect(healed('steady-proxy1', 14_000, 13_000).broken()).toEqual(['liveness'])
      expect(healed('idle-proxy1', 14_000, 13_000).broken()).toEqual([])
      expect(healed('idle-proxy1', 40_000, 30_000).broken()).toEqual(['liveness'])
    })

    it('says nothing of a run that broke off', () => {
      const history = well().phase('healed', 10_000)
      expect(history.open('a', 500).write(1, 600).closed(11_000).broken()).toEqual([])
    })
  })
})
