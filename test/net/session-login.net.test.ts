import { describe, expect, it } from 'vitest'
import { message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import {
  AUTHENTICATION_OK,
  errorOf,
  IN_HOT_STANDBY,
  KEY_DATA,
  LOGIN,
  PASSWORD_REQUEST,
  READY,
  STARTING_UP,
} from './fake-server.ts'
import { HOLD_TIMEOUT_MS, type SessionRig, STARTUP, useRigs } from './session-rig.ts'

const PASSWORD = message('p', 'secret\0')

const start = useRigs()

describe('a login', () => {
  it('reaches the primary byte for byte, and so does the answer', async () => {
    const rig = await start()
    rig.decide({ primary: 'node2', ending: ['node1'] })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node2').connection()
    await server.got(STARTUP)
    server.send(LOGIN)
    await client.got(LOGIN)
    const query = message('Q', 'select 1\0')
    client.send(query)
    await server.got(Buffer.concat([STARTUP, query]))

    expect(rig.server('node1').connections.length).toBe(0)
    expect(rig.registry.countOn('node2')).toBe(1)
    await rig.inPhase('relaying')
  })

  it('with a password relays the challenge and the answer', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(PASSWORD_REQUEST)
    await client.got(PASSWORD_REQUEST)
    client.send(PASSWORD)
    await server.got(Buffer.concat([STARTUP, PASSWORD]))
    server.send(LOGIN)

    await client.got(Buffer.concat([PASSWORD_REQUEST, LOGIN]))
  })

  it('relays what the client sent ahead of any answer, and what the server says behind ReadyForQuery', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const early = message('p', 'not asked for\0')
    const client = rig.connect(STARTUP, early)
    const server = await rig.server('node1').connection()
    await server.got(Buffer.concat([STARTUP, early]))
    const later = message('p', 'later\0')
    client.send(later)
    await server.got(Buffer.concat([STARTUP, early, later]))
    const news = message('A', 'news')
    server.send(LOGIN, news)

    await client.got(Buffer.concat([LOGIN, news]))
  })

  it('that a server refuses with 57P03 is tried again after a newer proof, and the client sees nothing of it', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const first = await rig.server('node1').connection()
    await first.got(STARTUP)
    first.send(STARTING_UP)
    await rig.inPhase('held')
    await first.closed()
    // The proof is older than the doubt: nobody is sent there.
    expect(rig.admission.heldCount).toBe(1)
    expect(rig.hints).toEqual(['node1 not-accepting'])

    rig.decide({ primary: 'node1' })
    const second = await rig.server('node1').connection(2)
    await second.got(STARTUP)
    second.send(LOGIN)
    await client.got(LOGIN)
  })

  it('that a server refuses with 57P03 goes on with what the client has sent ahead meanwhile', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const first = await rig.server('node1').connection()
    await first.got(STARTUP)
    client.send(PASSWORD)
    await first.got(Buffer.concat([STARTUP, PASSWORD]))
    first.send(STARTING_UP)
    await rig.inPhase('held')
    rig.decide({ primary: 'node2', ending: ['node1'] })

    await (await rig.server('node2').connection()).got(Buffer.concat([STARTUP, PASSWORD]))
  })

  it.each<[string, (rig: SessionRig) => Promise<void>]>([
    ['is refused', async (rig) => rig.server('node1').close()],
    [
      'is closed at once',
      async (rig) =>
        void rig
          .server('node1')
          .connection()
          .then((connection) => connection.end()),
    ],
    [
      'is reset',
      async (rig) =>
        void rig
          .server('node1')
          .connection()
          .then((connection) => connection.reset()),
    ],
  ])('is held when its dial %s, and routed by a decision with a newer proof', async (_, spoil) => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    await spoil(rig)
    const client = rig.connect(STARTUP)
    await waitFor('a hint', () => rig.hints.includes('node1 not-accepting'), { intervalMs: 2 })
    await rig.inPhase('held')
    rig.decide({ primary: 'node2', ending: ['node1'] })
    const server = await rig.server('node2').connection()
    await server.got(STARTUP)
    server.send(LOGIN)

    await client.got(LOGIN)
    expect(rig.registry.countOn('node1')).toBe(0)
  })

  it('is held when the primary is no member any more, and does not try it over and over', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    rig.addresses.set('node1', null)
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    expect(rig.admission.heldCount).toBe(1)

    rig.decide({ primary: 'node2' })
    ;(await rig.server('node2').connection()).send(LOGIN)
    await client.got(LOGIN)
  })

  it('that dies unseen in the middle is tried elsewhere', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const first = await rig.server('node1').connection()
    await first.got(STARTUP)
    first.send(AUTHENTICATION_OK, message('S', 'server_version\x0018.1\0'))
    first.end()
    await rig.inPhase('held')
    expect(client.receivedBytes).toBe(0)

    rig.decide({ primary: 'node2' })
    ;(await rig.server('node2').connection()).send(LOGIN)
    await client.got(LOGIN)
  })

  it('that dies without a word after a challenge is told to come again', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(PASSWORD_REQUEST)
    await client.got(PASSWORD_REQUEST)
    server.send(AUTHENTICATION_OK)
    server.end()

    const { before, error, detail } = await client.endedWith()
    expect(before).toEqual(PASSWORD_REQUEST)
    expect(error).toMatch(/^FATAL 57P03 .*\(no connection to the server\)$/)
    expect(detail).toBe('node1 closed the connection during the login')
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'login-interrupted': 1 })
    expect(rig.hints).toContain('node1 suspicious')
  })

  it.each(['57P01', '57P02'])(
    'that ends with %s after a challenge, as the server stops, is told to come again',
    async (code) => {
      const rig = await start()
      rig.decide({ primary: 'node1' })
      const client = rig.connect(STARTUP)
      const server = await rig.server('node1').connection()
      await server.got(STARTUP)
      server.send(PASSWORD_REQUEST)
      await client.got(PASSWORD_REQUEST)
      server.send(errorOf(code, 'terminating connection due to administrator command'))
      server.end()

      const { error, detail } = await client.endedWith()
      expect(error).toMatch(/^FATAL 57P03 .*\(no connection to the server\)$/)
      expect(detail).toBe(`node1 said ${code} during the login`)
      await rig.isEmpty()
      expect(rig.ended).toEqual({ 'login-interrupted': 1 })
      expect(rig.hints).toContain('node1 suspicious')
    },
  )

  it('that ends with 57P01 while nothing was asked of the client is tried elsewhere', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(errorOf('57P01', 'terminating connection due to administrator command'))
    server.end()
    await rig.inPhase('held')
    expect(client.receivedBytes).toBe(0)

    rig.decide({ primary: 'node2' })
    ;(await rig.server('node2').connection()).send(LOGIN)
    await client.got(LOGIN)
  })

  it('that the server refuses in its own words gets those, and nothing of ours', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const refusal = errorOf('28P01', 'password authentication failed for user "app"')
    const client = rig.connect(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(refusal)
    server.end()

    expect(await client.ended()).toEqual(refusal)
    await rig.isEmpty()
    expect(rig.ended).toEqual({ finished: 1 })
  })

  it('on a standby is undone unseen while nothing was asked of the client', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const first = await rig.server('node1').connection()
    await first.got(STARTUP)
    first.send(AUTHENTICATION_OK, IN_HOT_STANDBY, KEY_DATA, READY)
    await rig.inPhase('held')
    expect(client.receivedBytes).toBe(0)
    await first.closed()

    rig.decide({ primary: 'node2', ending: ['node1'] })
    ;(await rig.server('node2').connection()).send(LOGIN)
    await client.got(LOGIN)
  })

  it('on a standby ends with 57P03 instead of ReadyForQuery after a challenge', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(PASSWORD_REQUEST)
    await client.got(PASSWORD_REQUEST)
    server.send(AUTHENTICATION_OK, IN_HOT_STANDBY, KEY_DATA, READY)

    const { before, error, detail } = await client.endedWith()
    expect(before).toEqual(PASSWORD_REQUEST)
    expect(error).toMatch(/^FATAL 57P03 .*no primary available \(no connection to the server\)$/)
    expect(detail).toBe('node is in recovery')
    await server.closed()
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'landed-on-standby': 1 })
    expect(rig.hints).toEqual(['node1 suspicious'])
  })

  it('on a standby is what a standby listener wants', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node2').connection()
    await server.got(STARTUP)
    const login = Buffer.concat([AUTHENTICATION_OK, IN_HOT_STANDBY, KEY_DATA, READY])
    server.send(login)

    await client.got(login)
  })

  it('of a standby listener on a server that was promoted in that moment goes through, and may write from then on', async () => {
    const rig = await start({ request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2'] })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node2').connection()
    await server.got(STARTUP)
    // In it: in_hot_standby is off.
    server.send(LOGIN)
    await client.got(LOGIN)

    expect(rig.decide({ primary: 'node2' })).toBe(0)
    expect(rig.decide({ primary: 'node1', ending: ['node2'] })).toBe(1)
    expect((await client.endedWith()).error).toBe('FATAL 57P01 terminating connection due to administrator command')
  })

  it('that cannot be read is relayed as it is', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    const strange = Buffer.concat([Buffer.from('Ecould not fork new process\n\0')])
    server.send(strange)
    await client.got(strange)
    client.send(Buffer.from('anything'))

    await server.got(Buffer.concat([STARTUP, Buffer.from('anything')]))
  })

  it('sends somebody to look when the server takes the connection and says nothing', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    rig.connect(STARTUP)
    await (await rig.server('node1').connection()).got(STARTUP)
    await rig.inPhase('waiting')
    rig.clock.advance(2000)

    expect(rig.hints).toEqual(['node1 not-accepting'])
    expect(rig.sessions[0]?.phase).toBe('waiting')
  })

  it('leaves a server that is silent as soon as it is no longer the one', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    const client = rig.connect(STARTUP)
    const frozen = await rig.server('node1').connection()
    await frozen.got(STARTUP)
    rig.decide({ primary: null, silent: ['node1'] })
    await rig.inPhase('held')
    await frozen.closed()
    rig.decide({ primary: 'node2', silent: ['node1'] })
    ;(await rig.server('node2').connection()).send(LOGIN)

    await client.got(LOGIN)
  })

  it('leaves a standby that is silent for another one', async () => {
    const rig = await start({ nodes: 3, request: { route: 'standby' } })
    rig.decide({ primary: 'node1', standbys: ['node2', 'node3'] })
    const client = rig.connect(STARTUP)
    await (await rig.server('node2').connection()).got(STARTUP)
    rig.decide({ primary: 'node1', standbys: ['node3'], unreadable: ['node2'] })
    ;(await rig.server('node3').connection()).send(LOGIN)

    await client.got(LOGIN)
  })

  it('keeps its one deadline over all attempts', async () => {
    const rig = await start()
    rig.decide({ primary: null })
    const client = rig.connect(STARTUP)
    await rig.inPhase('held')
    rig.clock.advance(HOLD_TIMEOUT_MS - 5000)
    rig.decide({ primary: 'node1' })
    const server = await rig.server('node1').connection()
    await server.got(STARTUP)
    server.send(STARTING_UP)
    await rig.inPhase('held')
    rig.clock.advance(5000)

    const { error } = await client.endedWith()
    expect(error).toContain('57P03')
    await rig.isEmpty()
    expect(rig.ended).toEqual({ 'hold-expired': 1 })
  })

  it('needs no answer from a client that is gone: the connection to the server is closed', async () => {
    const rig = await start()
    rig.decide({ primary: 'node1' })
    for (const stage of ['waiting', 'authenticating'] as const) {
      const number = rig.sessions.length + 1
      const client = rig.connect(STARTUP)
      const server = await rig.server('node1').connection(number)
      await server.got(STARTUP)
      if (stage === 'authenticating') server.send(PASSWORD_REQUEST)
      await rig.inPhase(stage, number)
      client.socket.destroy()
      await server.closed()
    }
    await rig.isEmpty()

    expect(rig.ended).toEqual({ 'client-left-early': 2 })
  })
})
