/**
 * One incident: faults that happen together in real clusters, and some at random, with the clients that are there
 * meanwhile. Test support.
 */
import type { Random } from '../fuzz/random.ts'
import type { Fault, FaultKind, Setup, Target } from './plan.ts'

const SINGLE_FAULTS: readonly FaultKind[] = [
  'crash',
  'power-off',
  'freeze',
  'thaw',
  'start',
  'start',
  'start-without-signal',
  'shut-down',
  'promote',
  'promote-by-hand',
  'register',
  'rejoin',
  'follow',
  'initialise',
  'restore',
  'fill',
  'empty',
  'deny-logins',
  'allow-logins',
  'lag',
  'read-only',
  'lose-name',
  'find-name',
  'cut-nodes',
  'mend-nodes',
  'cut',
  'cut-out',
  'cut-back',
  'break',
  'reject',
  'lose',
  'delay',
  'mend',
  'mend',
]

const PROXY_FAULTS: readonly FaultKind[] = [
  'proxy-crash',
  'proxy-start',
  'proxy-start',
  'proxy-forget',
  'proxy-pause',
  'reload',
  'disk-fail',
  'disk-slow',
  'disk-mend',
  'notify',
]

const TARGETS: readonly Target[] = ['primary', 'primary', 'standby', 'standby', 'other-primary', 'last-down']

/** Takes what it chooses from `random`, and nothing else. */
export class Incident {
  readonly faults: Fault[] = []
  readonly #random: Random
  readonly #setup: Setup
  #at: number

  constructor(random: Random, setup: Setup, at: number) {
    this.#random = random
    this.#setup = setup
    this.#at = at
  }

  get endAt(): number {
    return this.#at
  }

  fill(): void {
    const random = this.#random
    this.#clients()
    switch (random.below(12)) {
      case 0:
      case 1:
        this.#failover()
        break
      case 2:
        this.#returnedPrimary()
        break
      case 3:
        this.#dualPromotion()
        break
      case 4:
        this.#partition()
        break
      case 5:
        this.#switchover()
        break
      case 6:
        this.#proxyTrouble()
        break
      case 7:
        this.#amnesia()
        break
      case 8:
        this.#cascade()
        break
      case 9:
        this.#flicker()
        break
      case 10:
        this.#ladder()
        break
      default:
        break
    }
    const extra = random.below(6)
    for (let count = 0; count < extra; count += 1) this.#anything()
    this.#clients()
  }

  #add(kind: FaultKind, target?: Target, more: Partial<Fault> = {}): void {
    this.faults.push({ at: this.#at, kind, ...(target === undefined ? {} : { target }), ...more })
  }

  #wait(limitMs: number): void {
    this.#at += 1 + this.#random.below(limitMs)
  }

  #clients(): void {
    for (let proxy = 0; proxy < this.#setup.proxyCount; proxy += 1) {
      this.#add('clients', undefined, { proxy, amount: 1 + this.#random.below(4) })
    }
    this.#wait(800)
  }

  #goAway(): void {
    const kind = this.#random.pick<FaultKind>([
      'crash',
      'power-off',
      'freeze',
      'shut-down',
      'cut',
      'lose-name',
      'crash',
    ])
    this.#forProxies((proxy) => this.#add(kind, 'primary', { proxy }))
    if (kind === 'lose-name') this.#add('crash', 'primary')
  }

  #forProxies(add: (proxy: number) => void): void {
    for (let proxy = 0; proxy < this.#setup.proxyCount; proxy += 1) add(proxy)
  }

  #failover(): void {
    this.#goAway()
    this.#wait(8_000)
    this.#clients()
    this.#add(this.#random.below(4) === 0 ? 'promote-by-hand' : 'promote', 'standby')
    this.#wait(2_500)
    for (const node of ['node1', 'node2', 'node3'] as const) {
      if (this.#random.below(3) > 0) this.#add('follow', node, { other: 'primary' })
    }
    this.#wait(2_000)
  }

  /** The known issue: the old primary comes back as one, its successor is or is not in sight. */
  #returnedPrimary(): void {
    this.#failover()
    if (this.#random.below(2) === 0)
      this.#forProxies((proxy) =>
        this.#add(this.#random.pick(['cut', 'delay', 'lose']), 'primary', { proxy, amount: 60 }),
      )
    if (this.#random.below(3) === 0)
      this.#add('proxy-crash', undefined, { proxy: this.#random.below(this.#setup.proxyCount) })
    this.#wait(3_000)
    this.#add('start', 'last-down')
    this.#add('thaw', 'other-primary')
    this.#forProxies((proxy) => this.#add('mend', 'other-primary', { proxy }))
    this.#wait(1_500)
    this.#forProxies((proxy) => this.#add('proxy-start', undefined, { proxy }))
    this.#clients()
    this.#wait(4_000)
    if (this.#random.below(2) === 0) this.#add('rejoin', 'other-primary', { other: 'primary' })
  }

  /** Two claim what only one can be, and the one that was there before may be away for a while. */
  #dualPromotion(): void {
    if (this.#random.below(3) === 0) this.#goAway()
    this.#wait(4_000)
    this.#add(this.#random.pick(['promote', 'promote-by-hand', 'start-without-signal']), 'standby')
    this.#wait(this.#random.pick([30, 3_000]))
    this.#add(this.#random.pick(['promote', 'promote-by-hand', 'start-without-signal']), 'standby')
    this.#wait(4_000)
    const [leave, back] = this.#random.pick<readonly [FaultKind, FaultKind]>([
      ['freeze', 'thaw'],
      ['crash', 'start'],
    ])
    if (this.#random.below(2) === 0) {
      this.#add(leave, 'node1')
      this.#wait(5_000)
      this.#add(back, 'node1')
      this.#wait(2_500)
    }
    this.#clients()
    this.#wait(5_000)
  }

  /** The proxy begins without its memory while the old primary is in sight and its successor is not. */
  #amnesia(): void {
    const proxy = this.#random.below(this.#setup.proxyCount)
    this.#failover()
    this.#wait(4_000)
    if (this.#random.below(3) === 0)
      this.#add('initialise', this.#random.pick(['other-primary', 'standby', 'last-down']))
    else this.#add(this.#random.pick(['start', 'thaw']), this.#random.pick(['last-down', 'node1']))
    this.#wait(1_500)
    if (this.#random.below(3) > 0) this.#add(this.#random.pick(['cut', 'power-off', 'crash']), 'primary', { proxy })
    this.#add('mend', 'other-primary', { proxy })
    this.#add('proxy-forget', undefined, { proxy })
    this.#wait(1_000)
    this.#add('proxy-start', undefined, { proxy })
    this.#clients()
    this.#wait(4_000)
  }

  /** A standby behind a standby, and the one in the middle becomes something else. */
  #cascade(): void {
    this.#add('follow', 'node3', { other: 'node2' })
    this.#wait(5_000)
    this.#add(this.#random.pick(['start-without-signal', 'promote', 'promote-by-hand', 'crash']), 'node2')
    for (let count = 0; count < 3; count += 1) {
      this.#wait(3_000)
      this.#clients()
    }
    if (this.#random.below(2) === 0) this.#add('crash', 'node1')
    this.#wait(2_000)
    this.#clients()
  }

  /** A primary that is in sight now and then, and a promotion that nobody sanctioned. */
  #flicker(): void {
    const proxy = this.#random.below(this.#setup.proxyCount)
    const kind = this.#random.pick<FaultKind>(['cut', 'break', 'lose'])
    this.#add(kind, 'node1', { proxy, amount: 90 })
    this.#wait(6_000)
    this.#add('promote-by-hand', 'standby')
    for (let count = 0; count < 3; count += 1) {
      this.#wait(2_500)
      this.#add('mend', 'node1', { proxy })
      this.#wait(1_200)
      this.#add(kind, 'node1', { proxy, amount: 90 })
    }
    this.#clients()
    this.#wait(6_000)
    this.#add('mend', 'node1', { proxy })
  }

  /** Two promotions by hand, one from the other, and the lower comes back after the higher was outlived. */
  #ladder(): void {
    this.#add('promote-by-hand', 'node2')
    this.#wait(2_500)
    this.#add('follow', 'node3', { other: 'node2' })
    this.#wait(6_000)
    this.#add('crash', 'node2')
    this.#add('promote-by-hand', 'node3')
    // What was latched before is forgotten.
    this.#forProxies((proxy) => this.#add('proxy-crash', undefined, { proxy }))
    this.#at += 500
    this.#forProxies((proxy) => this.#add('proxy-start', undefined, { proxy }))
    this.#at += 8_000
    this.#add('start', 'node2')
    for (let count = 0; count < 6; count += 1) this.#clients()
  }

  #partition(): void {
    const { nodeCount, proxyCount } = this.#setup
    const proxy = this.#random.below(proxyCount)
    const kind = this.#random.pick<FaultKind>(['cut', 'cut-out', 'cut-back', 'lose', 'delay', 'break', 'reject'])
    for (let id = 1; id <= nodeCount; id += 1) {
      if (this.#random.below(2) === 0) this.#add(kind, `node${id}`, { proxy, amount: 30 + this.#random.below(600) })
      const other = `node${1 + this.#random.below(nodeCount)}`
      if (this.#random.below(2) === 0) this.#add('cut-nodes', `node${id}`, { other })
    }
    this.#wait(6_000)
    if (this.#random.below(2) === 0) this.#add('promote', 'standby')
    this.#wait(4_000)
    this.#clients()
    for (let id = 1; id <= nodeCount; id += 1) {
      this.#add('mend', `node${id}`, { proxy })
      this.#add('mend-nodes', `node${id}`)
    }
  }

  #switchover(): void {
    this.#add('shut-down', 'primary')
    this.#wait(4_000)
    this.#add('promote', 'standby')
    this.#wait(2_000)
    this.#add('rejoin', 'last-down', { other: 'primary' })
    this.#clients()
    this.#wait(2_000)
  }

  #proxyTrouble(): void {
    const proxy = this.#random.below(this.#setup.proxyCount)
    if (this.#random.below(2) === 0)
      this.#add(this.#random.pick(['disk-fail', 'disk-slow']), undefined, { proxy, amount: 2_000 })
    if (this.#random.below(2) === 0)
      this.#add('proxy-pause', undefined, { proxy, amount: 200 + this.#random.below(9_000) })
    this.#failover()
    this.#add(this.#random.pick(['proxy-crash', 'proxy-pause', 'proxy-forget']), undefined, { proxy, amount: 7_000 })
    this.#wait(3_000)
    this.#add('disk-mend', undefined, { proxy })
    this.#add('proxy-start', undefined, { proxy })
    this.#clients()
  }

  #anything(): void {
    const random = this.#random
    const { nodeCount, proxyCount, hasWitness } = this.#setup
    const proxy = random.below(proxyCount)
    const named = `node${1 + random.below(nodeCount + (hasWitness ? 1 : 0))}`
    const target = random.below(2) === 0 ? named : random.pick(TARGETS)
    switch (random.below(8)) {
      case 0:
        this.#add(random.pick(PROXY_FAULTS), undefined, { proxy, amount: 100 + random.below(8_000) })
        break
      case 1:
        if (random.below(2) === 0) this.#add(random.pick(['fence', 'unfence', 'unfence', 'accept']), target, { proxy })
        break
      default: {
        const kind = random.pick(SINGLE_FAULTS)
        // Initialised anew every now and then only, or there is no cluster left.
        if (kind === 'initialise' && random.below(4) > 0) break
        const other = random.below(3) === 0 ? `node${1 + random.below(nodeCount)}` : 'primary'
        this.#add(kind, target, { proxy, other, amount: 1 + random.below(90) })
      }
    }
    this.#wait(random.pick([50, 500, 4_000]))
  }
}
