import { once } from 'node:events'
import { createServer, type LookupFunction, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { MonitorAccess } from '../../src/probe/monitor-access.ts'
import { createPgProber, type MonitorSessionEvent, type PgProber } from '../../src/probe/pg-prober.ts'
import type { Observation } from '../../src/topology/observation.ts'
import { waitFor } from '../support/condition.ts'
import {
  CAPABILITIES,
  errorMessage,
  type FakePostgres,
  LOGGED_IN,
  message,
  oneText,
  PRIMARY_ANSWER,
  type Script,
  servePrimary,
  startFakePostgres,
} from './fake-postgres.ts'
import { realClock } from './real-clock.ts'

const SHORT_MS = 150
const cleanUps: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function serve(script: Script): Promise<FakePostgres> {
  const server = await startFakePostgres(script)
  cleanUps.push(server.close)
  return server
}

interface ProberSetup {
  readonly access?: Partial<MonitorAccess>
  readonly sessionRenewMs?: number
  readonly host?: string
  readonly lookup?: LookupFunction
}

function proberOf(port: number, setup: ProberSetup = {}): PgProber & { readonly events: MonitorSessionEvent[] } {
  const events: MonitorSessionEvent[] = []
  const prober = createPgProber({
    node: { name: 'node1', address: { host: setup.host ?? '127.0.0.1', port } },
    monitor: {
      user: 'pgha',
      password: 's3cret-word',
      database: 'repmgr',
      sslmode: 'disable',
      timeoutMs: 2_000,
      ...setup.access,
    },
    clock: realClock,
    onSessionEvent: (event) => events.push(event),
    ...(setup.lookup === undefined ? {} : { lookup: setup.lookup }),
    ...(setup.sessionRenewMs === undefined ? {} : { sessionRenewMs: setup.sessionRenewMs }),
  })
  cleanUps.push(prober.close)
  return { ...prober, events }
}

function ask(prober: PgProber, fresh = false): Promise<Observation> {
  return prober.probe({ fresh })
}

async function failureOf(script: Script, setup: ProberSetup = {}) {
  const server = await serve(script)
  const observation = await ask(proberOf(server.port, setup))
  if (observation.kind !== 'failed') throw new Error('the probe was answered')
  await waitFor('every connection of the failed probe to be closed', () => server.openCount() === 0)
  return observation
}

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = await startFakePostgres(() => {})
  await server.close()
  return server.port
}

describe('a probe that gets no answer', () => {
  const short = { access: { timeoutMs: SHORT_MS } }

  it.each<[string, string, Script, ProberSetup]>([
    ['the start-up', 'log-in did not finish', () => {}, short],
    [
      'the start-up in the middle of a message',
      'log-in did not finish',
      (socket) => void socket.write(LOGGED_IN.subarray(0, 7)),
      short,
    ],
    [
      'the TLS request',
      'no answer to the TLS request',
      () => {},
      { access: { timeoutMs: SHORT_MS, sslmode: 'prefer' } },
    ],
    ['the query', 'no answer to the query', (socket) => void socket.write(LOGGED_IN), short],
    [
      'the query in the middle of a row',
      'no answer to the query',
      servePrimary((socket) => socket.write(oneText('{"inRecovery"').subarray(0, 60)) || true),
      short,
    ],
  ])(
    'is a timeout when the server falls silent at %s, and leaves no connection behind',
    async (_, text, script, setup) => {
      const startedAt = realClock.now()
      const observation = await failureOf(script, setup)
      expect(observation).toMatchObject({ failure: 'timeout', detail: expect.stringContaining(text) })
      expect(observation.receivedAt - startedAt).toBeGreaterThanOrEqual(SHORT_MS - 5)
      expect(observation.receivedAt - startedAt).toBeLessThan(SHORT_MS * 6)
    },
  )

  it('never uses an answer that comes too late, and connects anew', async () => {
    let late: (() => void) | null = null
    const server = await serve((socket, startup, number) => {
      servePrimary((asked, askNumber) => {
        if (number !== 1 || askNumber !== 2) return false
        late = () => asked.write(oneText(JSON.stringify({ ...PRIMARY_ANSWER, systemIdentifier: '666' })))
        return true
      })(socket, startup, number)
    })
    const prober = proberOf(server.port, { access: { timeoutMs: SHORT_MS } })
    expect(await ask(prober)).toMatchObject({ kind: 'answered' })
    expect(await ask(prober)).toMatchObject({ kind: 'failed', failure: 'timeout' })
    ;(late as (() => void) | null)?.()
    const next = await ask(prober)
    expect(next).toMatchObject({ kind: 'answered', answer: { systemIdentifier: '7311111111111111111' } })
    expect(server.startups).toHaveLength(2)
  })

  it('counts freshness from before the question, also for the one that failed', async () => {
    const server = await serve(servePrimary())
    const prober = proberOf(server.port)
    for (const _ of ['connecting', 'connected']) {
      const before = realClock.now()
      const { sentAt, receivedAt } = await ask(prober)
      expect(sentAt).toBeGreaterThanOrEqual(before)
      expect(receivedAt).toBeGreaterThanOrEqual(sentAt)
    }
  })
})

describe('a probe of something else than a healthy PostgreSQL', () => {
  it('is refused when nobody listens', async () => {
    expect(await ask(proberOf(await closedPort()))).toMatchObject({ failure: 'refused' })
  })

  it('is refused when there is no socket file of the postmaster', async () => {
    expect(await ask(proberOf(5432, { host: '/nonexistent' }))).toMatchObject({ failure: 'refused' })
  })

  it('tells a name that does not resolve', async () => {
    expect(await ask(proberOf(5432, { host: 'no..name' }))).toMatchObject({ failure: 'dns' })
  })

  describe('whose name is gone', () => {
    /** A resolver that knows pg-0 until `answer` says otherwise. */
    function resolver(): { lookup: LookupFunction; code: string | null } {
      const state = {
        code: null as string | null,
        lookup: ((name, options, callback) => {
          const { code } = state
          if (code === null)
            callback(null, options.all === true ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1', 4)
          else callback(Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code }), [])
        }) as LookupFunction,
      }
      return state
    }

    async function talkTo(over: 'ended' | 'kept') {
      const sockets: Socket[] = []
      const state = { isSilent: false }
      const script = servePrimary(() => state.isSilent)
      const { port } = await serve((socket, ...rest) => {
        sockets.push(socket)
        script(socket, ...rest)
      })
      const names = resolver()
      const prober = proberOf(port, {
        host: 'pg-0',
        lookup: names.lookup,
        access: { timeoutMs: SHORT_MS },
        sessionRenewMs: over === 'kept' ? 0 : 60_000,
      })
      expect(await ask(prober)).toMatchObject({ kind: 'answered' })
      if (over === 'ended') {
        for (const socket of sockets) socket.end()
        await waitFor('the session to be lost', () => prober.events.some(({ kind }) => kind === 'lost'))
      }
      return { prober, names, server: state }
    }

    it('has vanished when it had ended our session', async () => {
      const { prober, names } = await talkTo('ended')
      names.code = 'ENOTFOUND'
      expect(await ask(prober)).toMatchObject({
        failure: 'vanished',
        detail: 'it ended the monitoring session, and now: getaddrinfo ENOTFOUND pg-0',
      })
      expect(await ask(prober)).toMatchObject({ failure: 'vanished' })
    })

    it('is merely not found when the resolver could not find out', async () => {
      const { prober, names } = await talkTo('ended')
      names.code = 'EAI_AGAIN'
      expect(await ask(prober)).toMatchObject({ failure: 'dns' })
    })

    it('answers on while our session is there', async () => {
      const { prober, names } = await talkTo('kept')
      names.code = 'ENOTFOUND'
      expect(await ask(prober)).toMatchObject({ kind: 'answered' })
    })

    it('is merely not found when it was back since, and then fell silent', async () => {
      const { prober, names, server } = await talkTo('ended')
      expect(await ask(prober)).toMatchObject({ kind: 'answered' })
      server.isSilent = true
      expect(await ask(prober)).toMatchObject({ failure: 'timeout' })
      names.code = 'ENOTFOUND'
      expect(await ask(prober)).toMatchObject({ failure: 'dns' })
    })
  })

  it('tries every address of a name', async () => {
    // `localhost` may be ::1 first, where nobody listens.
    const server = await serve(servePrimary())
    expect(await ask(proberOf(server.port, { host: 'localhost' }))).toMatchObject({ kind: 'answered' })
  })

  it.each<[string, string, Script]>([
    ['HTTP', 'protocol', (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a reset', 'reset', (socket) => void socket.resetAndDestroy()],
    [
      'a reset in the middle of the log-in',
      'reset',
      (socket) => void socket.write(LOGGED_IN.subarray(0, 9), () => socket.resetAndDestroy()),
    ],
    ['an end without a word', 'reset', (socket) => void socket.end()],
    [
      '57P03 in German',
      'recovering',
      (socket) => void socket.end(errorMessage('57P03', 'das Datenbanksystem fährt herunter')),
    ],
    [
      '57P03 shutting down',
      'shutting-down',
      (socket) => void socket.end(errorMessage('57P03', 'the database system is shutting down')),
    ],
    [
      '53300',
      'too-many-connections',
      (socket) => void socket.end(errorMessage('53300', 'sorry, too many clients already')),
    ],
    [
      'a postmaster that cannot fork',
      'too-many-connections',
      (socket) => void socket.end('Ecould not fork new process for connection: no memory\n\0'),
    ],
    ['a request for GSSAPI', 'auth', (socket) => void socket.write(message('R', Buffer.from([0, 0, 0, 7])))],
    ['an error without an end', 'protocol', (socket) => void socket.write(message('E', Buffer.alloc(0)))],
    ['a row that is not the answer', 'protocol', servePrimary((socket) => socket.write(oneText('{}')) || true)],
    [
      'no row',
      'protocol',
      servePrimary(
        (socket) => socket.write(message('I', Buffer.alloc(0))) && socket.write(message('Z', Buffer.from('I'))),
      ),
    ],
  ])('survives %s and says what it was', async (_, failure, script) => {
    const server = await serve(script)
    const prober = proberOf(server.port)
    expect(await ask(prober)).toMatchObject({ kind: 'failed', failure })
    // Still works, and still the same.
    expect(await ask(prober)).toMatchObject({ kind: 'failed', failure })
  })

  it('says that a password is missing when the server asks for one', async () => {
    const askForPassword: Script = (socket) => void socket.write(message('R', Buffer.from([0, 0, 0, 5, 1, 2, 3, 4])))
    const observation = await failureOf(askForPassword, { access: { password: null } })
    expect(observation).toMatchObject({ failure: 'auth', detail: expect.stringContaining('none is configured') })
  })

  it('takes nothing from the environment of the proxy', async () => {
    const environment = {
      PGHOST: 'elsewhere',
      PGPORT: '1',
      PGUSER: 'somebody',
      PGPASSWORD: 'other',
      PGDATABASE: 'other',
      PGOPTIONS: '-c default_transaction_read_only=on',
      PGAPPNAME: 'other',
      PGSSLMODE: 'verify-full',
      PGSSLNEGOTIATION: 'direct',
      PGREPLICATION: 'database',
      PGCLIENTENCODING: 'latin1',
      PGCLIENT_ENCODING: 'latin1',
    }
    const before = { ...process.env }
    Object.assign(process.env, environment)
    try {
      const server = await serve(servePrimary())
      expect(await ask(proberOf(server.port))).toMatchObject({ kind: 'answered' })
      const [startup] = server.startups
      expect(startup?.toString('latin1', 8).replace(/\0+$/, '').split('\0')).toEqual([
        'user',
        'pgha',
        'database',
        'repmgr',
        'application_name',
        'pgha-proxy',
        'client_encoding',
        'UTF8',
      ])
    } finally {
      for (const key of Object.keys(environment)) delete process.env[key]
      Object.assign(process.env, before)
    }
  })
})

describe('sslmode', () => {
  /** Answers the SSLRequest as told, then logs in whoever goes on in plain. */
  function answerTls(answer: string | Buffer): Script {
    return (socket, startup, number) => {
      if (startup.length !== 8) return servePrimary()(socket, startup, number)
      socket.write(answer)
      socket.once('data', () => servePrimary()(socket, startup, number))
    }
  }

  it.each(['disable', 'allow'] as const)('never asks for TLS with %s while plain works', async (sslmode) => {
    const server = await serve(answerTls('N'))
    expect(await ask(proberOf(server.port, { access: { sslmode } }))).toMatchObject({ kind: 'answered' })
    expect(server.startups[0]?.length).toBeGreaterThan(8)
  })

  it('goes on in plain, on the same connection, where the server has no TLS and it is only preferred', async () => {
    const server = await serve(answerTls('N'))
    expect(await ask(proberOf(server.port, { access: { sslmode: 'prefer' } }))).toMatchObject({ kind: 'answered' })
    expect(server.startups).toHaveLength(1)
  })

  it.each(['require', 'verify-ca', 'verify-full'] as const)('never goes on in plain with %s', async (sslmode) => {
    const observation = await failureOf(answerTls('N'), { access: { sslmode } })
    expect(observation).toMatchObject({ failure: 'auth', detail: expect.stringContaining('does not offer TLS') })
  })

  it('refuses bytes that came before TLS and would be read as if they had come over it', async () => {
    const injected = Buffer.concat([Buffer.from('S'), LOGGED_IN])
    expect(await failureOf(answerTls(injected), { access: { sslmode: 'require' } })).toMatchObject({
      failure: 'protocol',
    })
  })

  it('tries again in plain when the handshake fails and TLS is only preferred', async () => {
    const server = await serve((socket, startup, number) => {
      if (startup.length !== 8) return servePrimary()(socket, startup, number)
      socket.write('S')
      socket.once('data', () => socket.write('this is no handshake, not at all'))
    })
    expect(await ask(proberOf(server.port, { access: { sslmode: 'prefer' } }))).toMatchObject({ kind: 'answered' })
    expect(server.startups).toHaveLength(2)
    expect(await ask(proberOf(server.port, { access: { sslmode: 'require' } }))).toMatchObject({ failure: 'protocol' })
  })

  it('reports a root certificate that cannot be read', async () => {
    const access = { sslmode: 'verify-ca', sslrootcert: '/nonexistent/root.crt' } as const
    const observation = await failureOf(answerTls('S'), { access })
    expect(observation).toMatchObject({ failure: 'auth', detail: expect.stringContaining('/nonexistent/root.crt') })
  })
})

describe('the monitoring session', () => {
  it('is one connection for many probes', async () => {
    const server = await serve(servePrimary())
    const prober = proberOf(server.port)
    for (let count = 0; count < 5; count++) expect(await ask(prober)).toMatchObject({ kind: 'answered' })
    expect(server.startups).toHaveLength(1)
    expect(prober.events.map(({ kind }) => kind)).toEqual(['opened'])
  })

  it('is replaced by a fresh one, which ends the old one with Terminate', async () => {
    const terminated: number[] = []
    const server = await serve((socket, startup, number) => {
      servePrimary()(socket, startup, number)
      socket.on('data', (bytes: Buffer) => {
        if (bytes.equals(message('X', Buffer.alloc(0)))) terminated.push(number)
      })
    })
    const prober = proberOf(server.port)
    await ask(prober)
    expect(await ask(prober, true)).toMatchObject({ kind: 'answered' })
    await waitFor('the first connection to be ended', () => terminated.includes(1))
    await waitFor('one connection to be left', () => server.openCount() === 1)
    await prober.close()
    expect(terminated).toEqual([1, 2])
  })

  it('is renewed by itself when it is old', async () => {
    const server = await serve(servePrimary())
    const prober = proberOf(server.port, { sessionRenewMs: 50 })
    await waitFor(
      'a second connection',
      async () => {
        await ask(prober)
        return server.startups.length === 2
      },
      { timeoutMs: 2_000 },
    )
    await waitFor('one connection to be left', () => server.openCount() === 1)
  })

  it('stays and is asked when the server has no room for a fresh one', async () => {
    const server = await serve((socket, startup, number) => {
      if (number === 1) servePrimary()(socket, startup, number)
      else socket.end(errorMessage('53300', 'sorry, too many clients already'))
    })
    const prober = proberOf(server.port)
    await ask(prober)
    expect(await ask(prober, true)).toMatchObject({ kind: 'answered' })
    expect(await ask(prober)).toMatchObject({ kind: 'answered' })
    expect(server.startups).toHaveLength(2)
    expect(server.openCount()).toBe(1)
  })

  it.each([
    ['shutting-down', errorMessage('57P03', 'the database system is shutting down')],
    ['recovering', errorMessage('57P03', 'le système de bases de données')],
    ['auth', errorMessage('28P01', 'password authentication failed')],
  ])('is ended too when a fresh one is turned away as %s', async (failure, answer) => {
    const server = await serve((socket, startup, number) => {
      if (number === 1) servePrimary()(socket, startup, number)
      else socket.end(answer)
    })
    const prober = proberOf(server.port)
    await ask(prober)
    expect(await ask(prober, true)).toMatchObject({ kind: 'failed', failure })
    await waitFor('no connection to be left', () => server.openCount() === 0)
  })

  it('tells when it is lost between probes, with the words of the server, and is opened anew', async () => {
    let first: Socket | null = null
    const server = await serve((socket, startup, number) => {
      first ??= socket
      servePrimary()(socket, startup, number)
    })
    const prober = proberOf(server.port)
    await ask(prober)
    ;(first as Socket | null)?.end(
      errorMessage('57P01', 'terminating connection due to immediate shutdown command', {
        type: 'N',
        severity: 'WARNING',
      }),
    )
    await waitFor('the loss to be told', () => prober.events.some(({ kind }) => kind === 'lost'))
    expect(prober.events.at(-1)).toEqual({
      kind: 'lost',
      detail: '57P01: terminating connection due to immediate shutdown command (then the connection ended)',
    })
    expect(await ask(prober)).toMatchObject({ kind: 'answered' })
  })

  it('that breaks while it is asked is no verdict: the next connection of the same probe tells', async () => {
    const server = await serve((socket, startup, number) => {
      servePrimary((asked, askNumber) => {
        if (number !== 1 || askNumber !== 2) return false
        asked.end(errorMessage('57P01', 'terminating connection due to administrator command'))
        return true
      })(socket, startup, number)
    })
    const prober = proberOf(server.port)
    await ask(prober)
    expect(await ask(prober)).toMatchObject({ kind: 'answered' })
    expect(server.startups).toHaveLength(2)
  })

  it('goes on without the rows when repmgr.nodes cannot be read in time', async () => {
    const columns = { node_id: true, upstream_node_id: true, active: true, node_name: true, type: true, conninfo: true }
    const server = await serve((socket) => {
      socket.write(LOGGED_IN)
      socket.on('data', (request: Buffer) => {
        const text = request.toString()
        if (text.includes('serverVersion')) {
          socket.write(oneText(JSON.stringify({ ...CAPABILITIES, schemaUsage: true, columns })))
        } else if (text.includes('repmgr.nodes')) {
          const locked = errorMessage('55P03', 'canceling statement due to lock timeout', { severity: 'FEHLER' })
          socket.write(Buffer.concat([locked, message('Z', Buffer.from('I'))]))
        } else socket.write(oneText(JSON.stringify(PRIMARY_ANSWER)))
      })
    })
    const observation = await ask(proberOf(server.port))
    expect(observation).toMatchObject({
      kind: 'answered',
      answer: { timelineId: 3, repmgr: { kind: 'denied', missing: expect.stringContaining('lock timeout') } },
    })
    expect(server.startups).toHaveLength(1)
  })

  it('is asked by one probe at a time', async () => {
    const server = await serve(servePrimary())
    const prober = proberOf(server.port)
    const observations = await Promise.all([ask(prober), ask(prober), ask(prober)])
    expect(observations.map(({ kind }) => kind)).toEqual(['answered', 'answered', 'answered'])
    expect(server.startups).toHaveLength(1)
  })
})

describe('close', () => {
  it('ends a probe under way and leaves no connection', async () => {
    const server = await serve(() => {})
    const prober = proberOf(server.port, { access: { timeoutMs: 60_000 } })
    const underWay = ask(prober)
    await waitFor('the probe to have connected', () => server.startups.length === 1)
    await prober.close()
    expect(await underWay).toMatchObject({ kind: 'failed', detail: 'the prober was closed' })
    await waitFor('no connection to be left', () => server.openCount() === 0)
    await prober.close()
    expect(await ask(prober)).toMatchObject({ kind: 'failed', detail: 'the prober is closed' })
    expect(server.startups).toHaveLength(1)
  })

  it('does not wait long for a server that never answers the farewell', async () => {
    // Half-open: such a server never closes its side.
    const sockets: Socket[] = []
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.once('data', (startup: Buffer) => servePrimary()(socket, startup, 1))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanUps.push(async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    })
    const prober = proberOf((server.address() as { port: number }).port)
    await ask(prober)
    const startedAt = realClock.now()
    await prober.close()
    expect(realClock.now() - startedAt).toBeLessThan(1_500)
  })
})
