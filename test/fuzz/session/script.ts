/**
 * What may happen to a session, as one byte and its arguments each: the script of a run of the session fuzzer. The high bit
 * lets everything arrive before the next event; without it events fall into one turn of the loop. Test support.
 */
import { message } from '../../protocol/wire-bytes.ts'
import type { ByteReader } from '../byte-reader.ts'
import * as words from '../targets/wire-words.ts'
import type { HostilePeer } from './hostile-peer.ts'
import { NODES } from './transport.ts'
import type { World } from './world.ts'

/** More than a Unix socket's buffers in the kernel and the proxy's own may hold together. */
const FLOOD_BYTES = 1_000_000

const QUERY = message('Q', 'select 1\0')

/** What clients say. */
export const CLIENT_WORDS = [
  words.STARTUP,
  words.SSL_REQUEST,
  words.GSSENC_REQUEST,
  words.CANCEL_REQUEST,
  words.CLIENT_HELLO,
  QUERY,
  message('X'),
  message('p', 'password\0'),
  words.STARTUP_3_2,
  Buffer.from('GET / HTTP/1.1\r\n'),
  message('d', Buffer.alloc(3_000, 7)),
] as const

/** What servers say. */
export const SERVER_WORDS = [
  words.LOGIN_BYTES,
  words.AUTHENTICATION_OK,
  words.PASSWORD_REQUEST,
  words.SASL_FINAL,
  words.KEY_DATA,
  words.IN_HOT_STANDBY,
  words.NOT_IN_HOT_STANDBY,
  words.READY,
  Buffer.from('N'),
  Buffer.from('S'),
  Buffer.from('E'),
  words.errorOf('57P03', 'the database system is starting up'),
  words.errorOf('57P01', 'terminating connection due to administrator command'),
  words.errorOf('25006', 'read-only'),
  words.errorOf('42601', 'syntax', 'N'),
  message('D', 'row'),
  message('Z', 'T'),
  Buffer.from('D\0\0\0\x03', 'latin1'),
  message('D', Buffer.alloc(3_000, 0x45)),
] as const

type Happening = (world: World, reader: ByteReader) => void

const client = (world: World, reader: ByteReader): HostilePeer | undefined =>
  world.clients[reader.below(Math.max(1, world.clients.length))]

/** The youngest first. */
const server = (world: World, reader: ByteReader): HostilePeer | undefined =>
  world.servers.at(-1 - reader.below(Math.max(1, world.servers.length)))

function sendFlood(world: World, peer: HostilePeer | undefined, word: Buffer): void {
  if (!world.mayFlood()) return
  peer?.send(Buffer.concat(Array.from({ length: Math.ceil(FLOOD_BYTES / word.length) }, () => word)))
}

export const HAPPENINGS = {
  connect: (world) => world.connect(),
  'client sends': (world, reader) => client(world, reader)?.send(reader.pick(CLIENT_WORDS)),
  'client sends bytes': (world, reader) => client(world, reader)?.send(Buffer.from(reader.take(reader.byte()))),
  'client sends a part': (world, reader) => {
    const word = reader.pick(CLIENT_WORDS)
    client(world, reader)?.send(word.subarray(0, reader.below(Math.min(256, word.length))))
  },
  'client ends': (world, reader) => client(world, reader)?.end(),
  'client resets': (world, reader) => client(world, reader)?.reset(),
  'client stops or goes on reading': (world, reader) => client(world, reader)?.toggleReading(),
  'client floods': (world, reader) => sendFlood(world, client(world, reader), reader.pick(CLIENT_WORDS)),
  'server sends': (world, reader) => server(world, reader)?.send(reader.pick(SERVER_WORDS)),
  'server sends bytes': (world, reader) => server(world, reader)?.send(Buffer.from(reader.take(reader.byte()))),
  'server sends a part': (world, reader) => {
    const word = reader.pick(SERVER_WORDS)
    server(world, reader)?.send(word.subarray(0, reader.below(Math.min(256, word.length))))
  },
  'server ends': (world, reader) => server(world, reader)?.end(),
  'server resets': (world, reader) => server(world, reader)?.reset(),
  'server stops or goes on reading': (world, reader) => server(world, reader)?.toggleReading(),
  'server floods': (world, reader) => sendFlood(world, server(world, reader), reader.pick(SERVER_WORDS)),
  'a decision': (world, reader) => {
    const [one, other] = reader.isRare(2) ? ['node1', 'node2'] : ['node2', 'node1']
    const nodes = { one: one as string, other: other as string }
    const sketches = [
      { primary: nodes.one, standbys: [nodes.other] },
      { primary: nodes.one, ending: [nodes.other] },
      { primary: null, silent: [nodes.one, nodes.other] },
      { primary: nodes.one, fenced: [nodes.other] },
      { primary: null, ending: [nodes.one], unreadable: [nodes.other] },
      { primary: nodes.one },
    ]
    world.decide(reader.pick(sketches))
  },
  'time passes': (world, reader) => world.clock.advance(reader.pick([1, 10, 1_000, 2_000, 10_000, 31_000, 61_000])),
  'a node refuses or listens again': (world, reader) => toggle(world.refusing, reader.pick(NODES)),
  'a node leaves or comes back': (world, reader) => toggle(world.forgotten, reader.pick(NODES)),
  'the proxy stops one': (world, reader) => world.registry.all()[reader.below(3)]?.stop(),
  'the proxy stops who waits': (world) => {
    for (const session of world.registry.all()) session.stopIfWaiting()
  },
  'one is destroyed': (world, reader) => world.registry.all()[reader.below(3)]?.destroy(),
} as const satisfies Record<string, Happening>

export type HappeningName = keyof typeof HAPPENINGS

const NAMES = Object.keys(HAPPENINGS) as HappeningName[]
const SETTLE = 0x80

function toggle(set: Set<string>, name: string): void {
  if (!set.delete(name)) set.add(name)
}

/** Runs the script to its end, or for `stepsMax` events. */
export async function perform(world: World, reader: ByteReader, stepsMax: number): Promise<void> {
  for (let count = 0; count < stepsMax && !reader.isAtEnd; count += 1) {
    const byte = reader.byte()
    const name = NAMES[(byte & ~SETTLE) % NAMES.length] as HappeningName
    HAPPENINGS[name](world, reader)
    if (byte & SETTLE) await world.settle()
  }
}

/** A script as bytes, each event settled: for seeds. */
export function scriptOf(...events: readonly (readonly [HappeningName, ...number[]])[]): Buffer {
  return Buffer.from(events.flatMap(([name, ...rest]) => [NAMES.indexOf(name) | SETTLE, ...rest]))
}
