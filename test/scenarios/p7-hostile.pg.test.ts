/**
 * P7, bad input in plain, in the order of the handshake and after it: each form of hostile-forms.ts by its answer, its
 * close reason and its counter, beside a neighbour that goes on at full speed and looks at every byte. Those that are too
 * slow or too many are in p7-limits.pg.test.ts, PROXY headers in p7-proxy-protocol.pg.test.ts, TLS that ends here in
 * p7-hostile-tls.pg.test.ts, held clients in p7-hostile-held.pg.test.ts.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePorts } from '../support/free-port.ts'
import { AFTER_LOGIN, FIRST_PACKETS, type PlainForm, SEQUENCES } from './hostile-forms.ts'
import { HostileWatch } from './hostile-watch.ts'
import { StreamingNeighbour } from './neighbour.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

let scene: Scene
let neighbour: StreamingNeighbour
let watch: HostileWatch
let ports: Readonly<Record<'passthrough' | 'off', number>>

beforeAll(async () => {
  const [passthrough = 0, off = 0] = await freePorts(2)
  ports = { passthrough, off }
  scene = await Scene.open({
    nodes: 1,
    repmgrTables: false,
    proxy: {
      listeners: [{ address: `127.0.0.1:${passthrough}` }, { address: `127.0.0.1:${off}`, tls: { mode: 'off' } }],
    },
  })
  neighbour = await StreamingNeighbour.start({ host: '127.0.0.1', port: passthrough })
  watch = new HostileWatch(scene, neighbour)
})

beforeEach(() => tellOnFailure(() => scene))

afterAll(async () => {
  neighbour?.stop()
  await scene?.close()
})

const target = (listener: 'passthrough' | 'off' = 'passthrough') => ({ host: '127.0.0.1', port: ports[listener] })

/** Waits for the end, and looks at all that was said. */
async function expectEnd(client: RawClient, form: PlainForm, ignoredBytes = 0): Promise<void> {
  const received = (await client.waitForEnd()).subarray(ignoredBytes)
  client.destroy()
  const { letters = '' } = form
  expect(received.subarray(0, letters.length).toString()).toBe(letters)
  await watch.end(form, received.subarray(letters.length))
}

describe('a client that sends', () => {
  it.each(FIRST_PACKETS)('$name is refused: $counted', async (form) => {
    await watch.begin(form)
    const client = await RawClient.connect(target(form.listener))
    client.send(form.bytes)
    await expectEnd(client, form)
  })

  it.each(SEQUENCES)('$name is refused: $counted', async (form) => {
    await watch.begin(form)
    const client = await RawClient.connect(target(form.listener))
    client.send(form.bytes)
    await client.waitForBytes(1)
    client.send(form.next)
    await expectEnd(client, form)
  })

  it.each(AFTER_LOGIN)('$name once it is logged in is ended by the server: $counted', async (form) => {
    await watch.begin(form)
    const client = await RawClient.login(target())
    const loginBytes = client.received.length
    client.send(form.bytes)
    await expectEnd(client, form, loginBytes)
  })
})

describe('many clients that send garbage at once', () => {
  it('are each told, each counted, and in nobody’s way', async () => {
    const before = await scene.endedCount('malformed-startup')
    const clients = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(target())))
    for (const client of clients) client.send(Buffer.concat([Buffer.from([0x7f]), randomBytes(10_000)]))
    await Promise.all(clients.map((client) => client.waitForEnd()))
    for (const client of clients) {
      expect(client.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '08P01' })])
      client.destroy()
    }
    await scene.waitForStatus('all to be counted', ({ sessions }) => {
      return sessions.ended['malformed-startup'] === before + 200 && sessions.active === 1
    })
    await neighbour.waitForMore(200)
    expect(neighbour.problems).toEqual([])
  })
})
