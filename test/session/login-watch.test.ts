import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  LOGIN_KEPT_BYTES_MAX,
  LOGIN_MESSAGE_BYTES_MAX,
  type LoginStep,
  LoginWatch,
} from '../../src/session/login-watch.ts'
import { cutAt, everyCut, int32, message, wireLikeBytes } from '../protocol/wire-bytes.ts'

const OK = message('R', int32(0))
const SASL = message('R', Buffer.concat([int32(10), Buffer.from('SCRAM-SHA-256\0\0')]))
const SASL_CONTINUE = message('R', Buffer.concat([int32(11), Buffer.from('r=abc,s=def,i=4096')]))
const SASL_FINAL = message('R', Buffer.concat([int32(12), Buffer.from('v=signature')]))
const KEY = message('K', Buffer.from('\0\0\x30\x39secret', 'latin1'))
const READY = message('Z', 'I')
const PARAMETERS = Buffer.concat([message('S', 'server_version\x0018.1\0'), message('S', 'in_hot_standby\0off\0')])
const IN_HOT_STANDBY = message('S', 'in_hot_standby\0on\0')
const REJECTS = message('E', 'SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0')
const WRONG_PASSWORD = message('E', 'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0')

const TRUST_LOGIN = [OK, PARAMETERS, KEY, READY]
const SCRAM_LOGIN = [SASL, SASL_CONTINUE, SASL_FINAL, OK, PARAMETERS, KEY, READY]

interface Outcome {
  /** What was handed out to be relayed before the final step. */
  readonly relayed: Buffer
  readonly final: Exclude<LoginStep, { kind: 'relay' }> | null
  /** Everything handed out, then what is still kept, then the chunks that came after the final step. */
  readonly everything: Buffer
  readonly isBound: boolean
}

function watch(chunks: readonly Buffer[], options: { refusesRecovery?: boolean } = {}): Outcome {
  const login = new LoginWatch({ refusesRecovery: options.refusesRecovery ?? true })
  const relayed: Buffer[] = []
  let final: Outcome['final'] = null
  const after: Buffer[] = []
  for (const chunk of chunks) {
    if (final !== null) {
      after.push(chunk)
      continue
    }
    for (const step of login.push(chunk)) {
      // A final step ends what push gives.
      expect(final).toBeNull()
      if (step.kind === 'relay') relayed.push(...step.bytes)
      else final = step
    }
  }
  const last = final === null ? [] : 'bytes' in final ? final.bytes : []
  const rest = final?.kind === 'ready' ? [final.rest] : []
  return {
    relayed: Buffer.concat(relayed),
    final,
    everything: Buffer.concat([...relayed, ...last, ...rest, ...login.takeKept(), ...after]),
    isBound: login.isBound,
  }
}

describe('LoginWatch', () => {
  it('keeps a login that asks nothing of the client back until ReadyForQuery', () => {
    for (const count of [1, 2, 3]) {
      const { relayed, final, isBound } = watch(TRUST_LOGIN.slice(0, count))
      expect([relayed.length, final, isBound]).toEqual([0, null, false])
    }

    const { relayed, final } = watch(TRUST_LOGIN)
    expect(relayed.length).toBe(0)
    expect(final).toMatchObject({ kind: 'ready', key: '\0\0\x30\x39secret', transactionStatus: 'I' })
    expect(final?.kind === 'ready' ? Buffer.concat(final.bytes) : null).toEqual(Buffer.concat(TRUST_LOGIN))
  })

  it('relays every challenge at once, and what was kept before it first', () => {
    const notice = message('N', 'SNOTICE\0C00000\0Mhello\0\0')
    const login = new LoginWatch({ refusesRecovery: true })
    const relays = [notice, SASL, SASL_CONTINUE, SASL_FINAL, OK].map((bytes) =>
      [...login.push(bytes)].map((step) => (step.kind === 'relay' ? Buffer.concat(step.bytes) : step.kind)),
    )

    expect(relays).toEqual([[], [Buffer.concat([notice, SASL])], [SASL_CONTINUE], [], []])
    expect(Buffer.concat(login.takeKept())).toEqual(Buffer.concat([SASL_FINAL, OK]))
    expect(login.isBound).toBe(true)
  })

  it.each([
    ['a cleartext password', 3],
    ['MD5', 5],
    ['GSSAPI', 7],
    ['SASL', 10],
    ['a method of the future', 99],
  ])('takes a request for %s for a challenge', (_, code) => {
    expect(watch([message('R', int32(code))]).isBound).toBe(true)
  })

  it('takes an authentication message without a code for a challenge, which binds and harms nobody', () => {
    expect(watch([message('R', Buffer.from('ab'))]).isBound).toBe(true)
  })

  it('finds a server in recovery unseen before a challenge', () => {
    const { relayed, final } = watch([OK, IN_HOT_STANDBY, KEY, READY])

    expect(final).toEqual({ kind: 'in-recovery', unseen: true })
    expect(relayed.length).toBe(0)
  })

  it('finds a server in recovery after a challenge, and relays neither that nor its ReadyForQuery', () => {
    const { relayed, final } = watch([SASL, SASL_CONTINUE, SASL_FINAL, OK, IN_HOT_STANDBY, KEY, READY])

    expect(final).toEqual({ kind: 'in-recovery', unseen: false })
    expect(relayed).toEqual(Buffer.concat([SASL, SASL_CONTINUE]))
  })

  it('does not mind recovery for sessions that may be on a standby', () => {
    expect(watch([OK, IN_HOT_STANDBY, READY], { refusesRecovery: false }).final?.kind).toBe('ready')
  })

  it.each([
    'in_hot_standby\0off\0',
    'in_hot_standby_x\0on\0',
    'In_hot_standby\0on\0',
    'x\0in_hot_standby\0',
    'in_hot_standby\0on',
  ])('does not take %j for recovery', (payload) => {
    expect(watch([OK, message('S', payload), READY]).final?.kind).toBe('ready')
  })

  it('hands 57P03 over as a refusal that nobody has seen, before a challenge', () => {
    expect(watch([REJECTS]).final).toMatchObject({
      kind: 'not-accepting',
      message: 'the database system is starting up',
      unseen: true,
    })
    expect(watch([OK, PARAMETERS, REJECTS]).final?.kind).toBe('not-accepting')
  })

  it('keeps 57P03 after a challenge as the words of the server', () => {
    const { final, everything } = watch([SASL, REJECTS])

    expect(final).toBeNull()
    expect(everything).toEqual(Buffer.concat([SASL, REJECTS]))
  })

  it('keeps any other error as the words of the server', () => {
    for (const bytes of [WRONG_PASSWORD, message('E', ''), message('E', 'C57P0'), message('E', 'M57P03\0\0')]) {
      const { final, everything } = watch([bytes])
      expect(final).toBeNull()
      expect(everything).toEqual(bytes)
    }
  })

  it('gives what follows ReadyForQuery to the relay', () => {
    const after = Buffer.concat([message('A', 'notification'), Buffer.from('Z\0\0')])
    const { final } = watch([Buffer.concat([...TRUST_LOGIN, after])])

    expect(final?.kind === 'ready' ? final.rest : null).toEqual(after)
  })

  it('has no key when the server sent none, or one that is none', () => {
    expect(watch([OK, READY]).final).toMatchObject({ kind: 'ready', key: null })
    expect(watch([OK, message('K', 'short'), READY]).final).toMatchObject({ kind: 'ready', key: null })
  })

  it('relays after all when there is more than it keeps, and is bound then', () => {
    const notice = message('N', Buffer.alloc(30_000, 'x'))
    const { relayed, isBound, final } = watch([OK, notice, notice, notice])

    expect(relayed).toEqual(Buffer.concat([OK, notice, notice, notice]))
    expect(relayed.length).toBeGreaterThan(LOGIN_KEPT_BYTES_MAX)
    expect([isBound, final]).toEqual([true, null])
    expect(watch([OK, notice, notice, notice, IN_HOT_STANDBY]).final).toEqual({ kind: 'in-recovery', unseen: false })
  })

  it.each([
    [
      'a message that is too long',
      Buffer.concat([Buffer.from('N'), int32(LOGIN_MESSAGE_BYTES_MAX), Buffer.from('abc')]),
    ],
    ['a negative length', Buffer.concat([Buffer.from('N'), int32(-5)])],
    ['a length of 3', Buffer.concat([Buffer.from('N'), int32(3)])],
    ['the bare text of a server that cannot fork', Buffer.from('Ecould not fork new process for connection\n\0')],
  ])('relays everything as it is from %s on', (_, bytes) => {
    const { final, everything } = watch([OK, PARAMETERS, bytes, READY])

    expect(final?.kind).toBe('unreadable')
    expect(everything).toEqual(Buffer.concat([OK, PARAMETERS, bytes, READY]))
  })

  it.each([
    ['a login by trust', TRUST_LOGIN],
    ['a login by SCRAM', SCRAM_LOGIN],
    ['a login with bytes behind it', [...TRUST_LOGIN, message('A', 'news')]],
    ['a login on a standby', [OK, IN_HOT_STANDBY, KEY, READY]],
    ['a late login on a standby', [SASL, SASL_CONTINUE, OK, IN_HOT_STANDBY, READY]],
    ['a refusal', [REJECTS]],
    ['a late refusal', [SASL, REJECTS]],
    ['a wrong password', [SASL, SASL_CONTINUE, WRONG_PASSWORD]],
    ['nonsense', [OK, Buffer.from('N\0\0\0\x02nonsense')]],
  ])('says the same of %s however it is cut', (_, messages) => {
    const whole = watch([Buffer.concat(messages)])
    for (const chunks of everyCut(Buffer.concat(messages))) {
      const cut = watch(chunks)
      expect([cut.final?.kind, cut.isBound, cut.relayed]).toEqual([whole.final?.kind, whole.isBound, whole.relayed])
      if (whole.final?.kind === 'ready' || whole.final?.kind === 'unreadable') {
        expect(cut.everything).toEqual(whole.everything)
      } else {
        expect(cut.final).toEqual(whole.final)
      }
    }
  })

  it('loses, repeats and reorders nothing of a login that ends in a session', () => {
    const body = fc
      .tuple(fc.constantFrom('N', 'S', 'K', 'v', 'A', 'R'), wireLikeBytes(40))
      .map(([type, payload]) => message(type, payload))
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 8 }),
        fc.constantFrom(READY, Buffer.from('N\0\0\0\0', 'latin1')),
        wireLikeBytes(20),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (messages, end, rest, cuts) => {
          const stream = Buffer.concat([...messages, end, rest])
          const { final, everything } = watch(cutAt(stream, cuts), { refusesRecovery: false })
          expect(['ready', 'unreadable']).toContain(final?.kind)
          expect(everything).toEqual(stream)
        },
      ),
    )
  })

  it('never throws on bytes of any kind', () => {
    fc.assert(
      fc.property(wireLikeBytes(200), fc.array(fc.nat(200), { maxLength: 6 }), fc.boolean(), (bytes, cuts, strict) => {
        watch(cutAt(bytes, cuts), { refusesRecovery: strict })
      }),
    )
  })
})
