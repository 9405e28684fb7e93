/** A monitoring session that is ended (pg_terminate_backend) in the moment between its log-in and its first answer. */
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createPgProber } from '../../src/probe/pg-prober.ts'
import type { Observation } from '../../src/topology/observation.ts'
import {
  errorMessage,
  type FakePostgres,
  LOGGED_IN,
  type Script,
  servePrimary,
  startFakePostgres,
} from './fake-postgres.ts'
import { realClock } from './real-clock.ts'

const TERMINATED = errorMessage('57P01', 'terminating connection due to administrator command')

let server: FakePostgres
let close: () => Promise<void> = async () => {}

afterEach(async () => {
  await close()
  await server.close()
})

async function probe(script: Script): Promise<Observation> {
  server = await startFakePostgres(script)
  const prober = createPgProber({
    node: { name: 'node1', address: { host: '127.0.0.1', port: server.port } },
    monitor: { user: 'pgha', password: null, database: 'repmgr', sslmode: 'disable', timeoutMs: 2_000 },
    clock: realClock,
  })
  close = prober.close
  return await prober.probe({ fresh: false })
}

const logInAndEnd = (socket: Socket) => socket.end(Buffer.concat([LOGGED_IN, TERMINATED]))
const endAtTheQuestion = (socket: Socket) => {
  socket.write(LOGGED_IN)
  socket.once('data', () => socket.end(TERMINATED))
}

describe('a monitoring session that is ended between its log-in and its first answer', () => {
  for (const [when, end] of [
    ['before the question', logInAndEnd],
    ['at the question', endAtTheQuestion],
  ] as const) {
    it(`${when} is no verdict: the next connection of the same probe tells`, async () => {
      const observation = await probe((socket, startup, number) => {
        if (number === 1) end(socket)
        else servePrimary()(socket, startup, number)
      })
      expect(observation).toMatchObject({ kind: 'answered' })
      expect(server.startups).toHaveLength(2)
    })

    it(`${when}, twice, is a broken connection in the words of the server`, async () => {
      const observation = await probe(end)
      expect(observation).toMatchObject({
        kind: 'failed',
        failure: 'reset',
        detail: '57P01: terminating connection due to administrator command',
      })
      expect(server.startups).toHaveLength(2)
    })
  }
})
