/**
 * Sessions between two hostile peers: any bytes in any pieces from both sides, half-closes, resets, slow readers, decisions
 * and time in between. Fuzz target; what happens is in ../session/script.ts, what must hold in ../session/world.ts.
 */
import { ByteReader } from '../byte-reader.ts'
import { CLIENT_WORDS, perform, SERVER_WORDS, scriptOf } from '../session/script.ts'
import { Transport } from '../session/transport.ts'
import { World } from '../session/world.ts'
import type { FuzzTarget } from '../target.ts'

const STEPS_MAX = 60

const transports = new Map<'tcp' | 'unix', Transport>()

async function transportOf(kind: 'tcp' | 'unix'): Promise<Transport> {
  const known = transports.get(kind) ?? (await Transport.open(kind))
  transports.set(kind, known)
  return known
}

/** Transport, TLS mode, route, what a promotion does, hold time and queue, and how it all ends. */
const PLAIN = Buffer.of(0, 0, 0, 0, 0, 0, 0)
const UNIX = Buffer.of(1, 0, 0, 0, 0, 0, 2)
const [STARTUP, SSL, GSSENC, CANCEL] = [0, 1, 2, 3]
const [QUERY, TERMINATE, PASSWORD] = [5, 6, 7]
const [LOGIN, OK, ASK_PASSWORD] = [0, 1, 2]
const [HOT, REFUSES_TLS, TAKES_TLS, STARTING, LEAVING, ROW] = [5, 8, 9, 11, 12, 15]

const loggedIn = scriptOf(['a decision', 1, 0], ['connect'], ['client sends', 0, STARTUP], ['server sends', 0, LOGIN])

const SEEDS: readonly Buffer[] = [
  Buffer.concat([
    PLAIN,
    loggedIn,
    scriptOf(['client sends', 0, QUERY], ['server sends', 0, ROW], ['client sends', 0, TERMINATE], ['server ends', 0]),
  ]),
  Buffer.concat([PLAIN, loggedIn, scriptOf(['server sends', 0, LEAVING], ['server resets', 0])]),
  Buffer.concat([PLAIN, loggedIn, scriptOf(['a decision', 0, 1])]),
  Buffer.concat([PLAIN, loggedIn, scriptOf(['connect'], ['client sends', 1, CANCEL], ['server ends', 0])]),
  Buffer.concat([
    UNIX,
    loggedIn,
    scriptOf(['client stops or goes on reading', 0], ['server floods', 0, ROW], ['client ends', 0]),
  ]),
  Buffer.concat([
    UNIX,
    loggedIn,
    scriptOf(['server stops or goes on reading', 0], ['client floods', 0, QUERY], ['server resets', 0]),
  ]),
  Buffer.concat([
    PLAIN,
    scriptOf(
      ['a decision', 1, 0],
      ['connect'],
      ['client sends', 0, GSSENC],
      ['client sends', 0, SSL],
      ['server sends', 0, REFUSES_TLS],
    ),
    scriptOf(
      ['client sends', 0, STARTUP],
      ['server sends', 0, ASK_PASSWORD],
      ['client sends', 0, PASSWORD],
      ['server sends', 0, OK],
    ),
    scriptOf(['server sends', 0, HOT]),
  ]),
  Buffer.concat([
    PLAIN,
    scriptOf(
      ['a decision', 1, 0],
      ['connect'],
      ['client sends', 0, SSL],
      ['server sends', 0, TAKES_TLS],
      ['client sends', 0, QUERY],
    ),
    scriptOf(['a decision', 0, 1]),
  ]),
  Buffer.concat([
    PLAIN,
    scriptOf(
      ['connect'],
      ['client sends', 0, STARTUP],
      ['a decision', 1, 0],
      ['server sends', 0, STARTING],
      ['a decision', 0, 1],
    ),
    scriptOf(['server sends', 0, LOGIN], ['time passes', 2], ['the proxy stops one', 0]),
  ]),
  Buffer.concat([PLAIN, scriptOf(['connect'], ['client sends', 0, STARTUP], ['time passes', 5])]),
]

export const session: FuzzTarget = {
  name: 'session',
  oracle:
    'nothing is thrown; one close reason each; bytes are unaltered, in order and delivered; no farewell inside a message; bounded buffers; no socket or timer left',
  covers: [
    'src/net/session.ts',
    'src/net/relay.ts',
    'src/net/backend-leg.ts',
    'src/net/farewell.ts',
    'src/net/cancel-router.ts',
    'src/net/admission.ts',
    'src/net/session-registry.ts',
    'src/session/',
    'src/protocol/',
  ],
  inputBytesMax: 400,
  seeds: SEEDS,
  dictionary: [
    ...SEEDS.map((seed) => seed.subarray(7)),
    ...CLIENT_WORDS.map((_, index) => scriptOf(['client sends', 0, index])),
    ...SERVER_WORDS.map((_, index) => scriptOf(['server sends', 0, index])),
    ...[0, 1, 2, 3, 4, 5].flatMap((index) => [scriptOf(['a decision', 0, index]), scriptOf(['a decision', 1, index])]),
    scriptOf(['connect']),
    scriptOf(['client resets', 0]),
    scriptOf(['server resets', 0]),
    scriptOf(['client ends', 0]),
    scriptOf(['server ends', 0]),
  ],
  batchMax: 4,
  // Two floods of a megabyte, message by message.
  cpuMsMax: 5_000,
  weight: 6,
  run: async (input) => {
    const reader = new ByteReader(input)
    const world = new World({
      transport: await transportOf(reader.pick(['tcp', 'unix'])),
      tlsMode: reader.isRare(4) ? 'off' : 'passthrough',
      route: reader.pick(['primary', 'primary', 'standby', 'any']),
      onPromotion: reader.isRare(3) ? 'end' : 'keep',
      holdTimeoutMs: reader.pick([30_000, 30_000, 1_000, 0]),
      holdSessionsMax: reader.pick([100, 100, 1, 0]),
    })
    const way = reader.pick(['reset', 'end', 'stop'] as const)
    try {
      await perform(world, reader, STEPS_MAX)
      await world.expectDelivery()
      await world.finish(way)
    } catch (error) {
      await world.abandon()
      throw error
    }
  },
  close: async () => {
    for (const transport of transports.values()) await transport.close()
    transports.clear()
  },
}
