/** The sessions of one process, in front of a server whose every byte the test sends, which is reached by a name. */
import type { LookupAddress } from 'node:dns'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/daemon/system-clock.ts'
import { Listener } from '../../src/net/listener.ts'
import { LocalSessions } from '../../src/workers/local-sessions.ts'
import { decide } from '../net/decision-builder.ts'
import { LOGIN, startFakeServer } from '../net/fake-server.ts'
import { RawClient, STARTUP } from '../net/session-rig.ts'
import { createMemoryLog } from '../support/memory-log.ts'
import { hostedConfig, LISTENER_ADDRESS } from './hosted-config.ts'

const HERE: LookupAddress = { address: '127.0.0.1', family: 4 }
/** Loopback as well, where nobody listens. */
const ELSEWHERE: LookupAddress = { address: '127.0.0.2', family: 4 }

const closers: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

/** Sessions to `pg-0`, a name that leads where `place.address` says; and how often that was asked. */
async function open() {
  const server = await startFakeServer((connection) => connection.send(LOGIN))
  closers.push(server.close)
  const place = { address: HERE, questions: 0 }
  const dials: (string | null)[] = []
  const sessions = new LocalSessions({
    ...{ config: hostedConfig(), clock: systemClock, logger: createMemoryLog().logger },
    lookup: (_hostname, _options, callback) => {
      place.questions += 1
      callback(null, [place.address])
    },
    readDescriptorLimit: () => null,
    addressOf: () => ({ host: 'pg-0', port: server.port }),
    news: {
      onHint: () => undefined,
      onDialed: (_node, errno) => void dials.push(errno),
      onFirstRouted: () => undefined,
      onAllReleased: () => undefined,
      onHoldEnded: () => undefined,
    },
  })
  closers.push(() => sessions.close())
  await sessions.start()
  const listener = new Listener({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    onConnection: (socket) => sessions.accept(socket, LISTENER_ADDRESS),
    onError: () => undefined,
  })
  await listener.open()
  closers.push(() => listener.close())
  const decree = (primary: string | null): void =>
    sessions.takeDecision(decide({ primary, at: systemClock.now() }), () => undefined)
  decree('pg-0')
  const connect = (): RawClient => {
    const client = new RawClient(Number(listener.address.split(':')[1])).send(STARTUP)
    closers.push(() => client.socket.destroy())
    return client
  }
  return { place, dials, decree, connect }
}

describe('sessions to a node with a name', () => {
  it('ask once where it is', async () => {
    const { place, connect } = await open()
    await connect().got(LOGIN)
    await connect().got(LOGIN)

    expect(place.questions).toBe(1)
  })

  it('ask again when nobody is there any more', async () => {
    const { place, dials, decree, connect } = await open()
    place.address = ELSEWHERE
    const client = connect()
    await expect.poll(() => dials).toEqual(['ECONNREFUSED'])
    place.address = HERE
    decree('pg-0')
    await client.got(LOGIN)

    expect(place.questions).toBe(2)
  })

  it('ask again when there was another primary, or none', async () => {
    const { place, decree, connect } = await open()
    await connect().got(LOGIN)
    decree(null)
    decree('pg-0')
    await connect().got(LOGIN)

    expect(place.questions).toBe(2)
  })
})
