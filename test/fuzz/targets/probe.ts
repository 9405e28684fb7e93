/** What the probe reads of a server, and of what people wrote into repmgr's tables. Fuzz targets. */
import { isDeepStrictEqual } from 'node:util'
import { readSeedConninfo } from '../../../src/cli/init/seed-conninfo.ts'
import { parseStatus } from '../../../src/cli/status/parse-status.ts'
import { explainMissingGrants, parseCapabilities, quoteIdentifier } from '../../../src/probe/capabilities.ts'
import { ProbeError } from '../../../src/probe/classify-failure.ts'
import { readConninfo } from '../../../src/probe/conninfo.ts'
import { judgeFirstBytes } from '../../../src/probe/first-bytes.ts'
import { createMessageGate, MESSAGE_BYTES_MAX } from '../../../src/probe/message-gate.ts'
import { parseAnswer } from '../../../src/probe/parse-answer.ts'
import { askStatement, repmgrReading } from '../../../src/probe/queries.ts'
import { membersFromRows, parseConninfo } from '../../../src/probe/repmgr-nodes.ts'
import { frameNaively } from '../../protocol/wire-bytes.ts'
import { ByteReader, cutBy, splitLead } from '../byte-reader.ts'
import { ensure, type FuzzTarget } from '../target.ts'
import { BACKEND_WORDS, errorOf, LEAD, LOGIN_BYTES } from './wire-words.ts'

const messageGate: FuzzTarget = {
  name: 'message-gate',
  oracle: 'lets whole messages through in order, and of errors only such as end; throws ProbeError alone',
  covers: ['src/probe/message-gate.ts', 'src/probe/first-bytes.ts', 'src/protocol/message-framer.ts'],
  inputBytesMax: 512,
  seeds: [
    Buffer.concat([LEAD, LOGIN_BYTES]),
    Buffer.concat([LEAD, errorOf('53300', 'full')]),
    '\0HTTP/1.1 400',
    '\0Esorry\n\0',
  ],
  dictionary: [...BACKEND_WORDS, 'HTTP/1.1 400', 'SSH-2.0'],
  run: (input) => {
    const { lead, body } = splitLead(input)
    const gate = createMessageGate()
    const out: Buffer[] = []
    try {
      for (const piece of cutBy(lead, body)) {
        const messages = gate.accept(Buffer.from(piece))
        if (messages !== null) out.push(messages)
      }
    } catch (error) {
      ensure(error instanceof ProbeError, 'only ProbeError is thrown')
      ensure(!hasControlCharacter(error.message), 'no control character of the server is in the line')
    }
    const passed = Buffer.concat(out)
    ensure(passed.equals(body.subarray(0, passed.length)), 'what passes is a prefix of what came')
    const { messages, rest, malformed } = frameNaively(passed)
    ensure(rest.length === 0 && !malformed, 'only whole messages pass')
    ensure(
      messages.every(({ payload }) => payload.length < MESSAGE_BYTES_MAX),
      'none is beyond the limit',
    )
    ensure(
      messages.every(({ type, payload }) => (type !== 'E' && type !== 'N') || payload.at(-1) === 0),
      'an error that passes has its last zero',
    )
    const verdicts = cutBy(new ByteReader(input), body).reduce<{ read: number; kinds: string[] }>(
      ({ read, kinds }, piece) => {
        const kind = judgeFirstBytes(body.subarray(0, read + piece.length)).kind
        return { read: read + piece.length, kinds: [...kinds, kind] }
      },
      { read: 0, kinds: [] },
    ).kinds
    const final = verdicts.filter((kind) => kind !== 'incomplete')
    ensure(new Set(final).size <= 1, 'the verdict on the first bytes does not change once it is final')
  },
}

const ANSWER = {
  inRecovery: false,
  walFile: '000000010000000000000005',
  writeLsn: '0/5000060',
  receiveLsn: null,
  replayLsn: null,
  walReceiver: null,
  checkpointTimelineId: 1,
  minRecoveryTimelineId: 0,
  systemIdentifier: '7311111111111111111',
  postmasterStartedAt: '1700000000000000',
  defaultReadOnly: false,
  repmgrRows: [
    {
      nodeId: 1,
      nodeName: 'node1',
      type: 'primary',
      active: true,
      upstreamNodeId: null,
      conninfo: 'host=pg-0 port=5433',
    },
    { nodeId: 2, nodeName: 'node2', type: 'standby', active: true, upstreamNodeId: 1, conninfo: null },
  ],
  localNodeId: 1,
}
const STANDBY = {
  ...ANSWER,
  inRecovery: true,
  walFile: null,
  writeLsn: null,
  receiveLsn: '0/5000060',
  replayLsn: 'FFFFFFFF/FFFFFFFF',
  walReceiver: {
    status: 'streaming',
    senderHost: 'pg-0',
    senderPort: 5432,
    receivedTimelineId: 2,
    lastMessageAgeMs: -3,
  },
}

const probeAnswer: FuzzTarget = {
  name: 'probe-answer',
  oracle:
    'total; what it gives is within bounds: timelines of 32 bits, a primary with timeline and position, ports that exist',
  covers: ['src/probe/parse-answer.ts', 'src/probe/repmgr-nodes.ts', 'src/topology/lsn.ts'],
  inputBytesMax: 4096,
  seeds: [
    JSON.stringify(ANSWER),
    JSON.stringify(STANDBY),
    JSON.stringify({ ...STANDBY, repmgrRows: null, localNodeId: -1 }),
  ],
  dictionary: [
    'null',
    'true',
    '-1',
    '4294967296',
    '1e400',
    '""',
    '[]',
    '{}',
    '0/0',
    '"00000000',
    '"__proto__":',
    '\\u0000',
    ',',
  ],
  run: (input) => {
    const text = input.toString('utf8')
    for (const unread of [null, { kind: 'absent' } as const]) {
      const answer = parseAnswer(text, unread)
      if (answer === null) continue
      const isTimeline = (id: number | null): boolean =>
        id === null || (Number.isInteger(id) && id >= 1 && id <= 0xffff_ffff)
      ensure(isTimeline(answer.timelineId), 'a timeline has 32 bits and is not 0')
      ensure(
        isTimeline(answer.timelineIdAtLeast + 1) || answer.timelineIdAtLeast === 0xffff_ffff,
        'the lower bound, too',
      )
      ensure(answer.inRecovery || (answer.timelineId !== null && answer.lsn !== null), 'a primary knows where it is')
      ensure(answer.lsn === null || (answer.lsn >= 0n && answer.lsn < 1n << 64n), 'a position has 64 bits')
      ensure((answer.walReceiver?.lastMessageAgeMs ?? 0) >= 0, 'no message comes from the future')
      if (answer.repmgr.kind !== 'rows') continue
      ensure(answer.repmgr.localNodeId === null || answer.repmgr.localNodeId >= 0, 'no node id is -1')
      const { members, withoutAddress } = membersFromRows(answer.repmgr.rows)
      ensure(members.length + withoutAddress.length === answer.repmgr.rows.length, 'every row is a member or is named')
      for (const { address } of members) ensureAddress(address)
    }
  },
}

function ensureAddress({ host, port }: { readonly host: string; readonly port: number }): void {
  ensure(host !== '' && !/[,\0]/.test(host), 'an address has one host, and no zero byte that Node would throw at')
  ensure(Number.isInteger(port) && port >= 1 && port <= 65_535, 'an address has a port')
}

const capabilities: FuzzTarget = {
  name: 'capabilities',
  oracle: 'throws ProbeError alone; a role of any name stays one identifier in every GRANT',
  covers: ['src/probe/capabilities.ts', 'src/probe/queries.ts'],
  inputBytesMax: 2048,
  seeds: [
    '{"role":"pgha","serverVersion":"150018","readsWalReceiver":true,"deniedFunctions":null,"schemaUsage":null,"columns":null,"localNodeId":null}',
    '{"role":"a\\"b;","serverVersion":170000,"readsWalReceiver":null,"deniedFunctions":["pg_catalog.f()"],"schemaUsage":false,"columns":{"node_id":true,"upstream_node_id":true,"active":true,"node_name":false,"type":true,"conninfo":false},"localNodeId":true}',
  ],
  dictionary: [
    'null',
    'true',
    'false',
    '"role":',
    '\\"',
    "'",
    ';',
    '"__proto__":',
    '-1',
    '[]',
    '{}',
    '"conninfo":true',
  ],
  run: (input) => {
    let learned: ReturnType<typeof parseCapabilities>
    try {
      learned = parseCapabilities(input.toString('utf8'))
    } catch (error) {
      ensure(error instanceof ProbeError, 'only ProbeError is thrown')
      return
    }
    const role = quoteIdentifier(learned.role)
    const isOne = /^[a-z_][a-z0-9_]*$/.test(role) || /^"(?:[^"]|"")*"$/.test(role)
    ensure(isOne, 'the role is one identifier')
    const grants = explainMissingGrants(learned, { discovery: true })
    ensure(
      grants.every((grant) => grant.startsWith('GRANT ') && grant.endsWith(` TO ${role}`)),
      'every line is a GRANT to it',
    )
    ensure(!askStatement(repmgrReading(learned)).includes('undefined'), 'a statement can be made of it')
  },
}

const conninfo: FuzzTarget = {
  name: 'conninfo',
  oracle:
    'total and fast; what is written in keywords with quotes reads back the same; an address has one host and a port',
  covers: ['src/probe/conninfo.ts', 'src/probe/repmgr-nodes.ts', 'src/cli/init/seed-conninfo.ts'],
  inputBytesMax: 16_384,
  seeds: [
    "host=10.0.0.1,10.0.0.2 port=5432 user='a b' dbname=repmgr password='it\\'s' sslmode=prefer",
    'postgresql://u:p%40@[::1]:5433,h2/db?sslmode=require&connect_timeout=2',
    'postgres:///db?host=/run/postgresql',
    'hostaddr = 1.2.3.4 host=x user=y',
  ],
  dictionary: [
    'host=',
    'port=',
    "'",
    '\\',
    ' = ',
    '=',
    ',',
    'postgresql://',
    '%',
    '%00',
    '%ff',
    '@',
    '[',
    ']',
    ':',
    '/',
    '?',
    '&',
    '#',
  ],
  run: (input) => {
    const text = input.toString('utf8')
    const parameters = readConninfo(text)
    const address = parseConninfo(text)
    if (address !== null) ensureAddress(address)
    const seed = readSeedConninfo(text)
    if (seed.ok) ensure(seed.login.user !== '' && seed.login.database !== '', 'a login has a user and a database')
    if (parameters === null) return
    const rewritten = [...parameters].map(([key, value]) => `${key}='${value.replace(/[\\']/g, '\\$&')}'`).join(' ')
    const isKeywordForm = !/^postgres(ql)?:\/\//.test(text) && !/^postgres(ql)?:\/\//.test(rewritten)
    if (isKeywordForm) {
      ensure(
        isDeepStrictEqual(new Map(readConninfo(rewritten) ?? []), new Map(parameters)),
        'quoted, it reads back the same',
      )
    }
  },
}

function hasControlCharacter(text: string): boolean {
  return /\p{Cc}/u.test(text)
}

const statusBody: FuzzTarget = {
  name: 'status-body',
  oracle: 'total: any JSON is a status or null',
  covers: ['src/cli/status/parse-status.ts'],
  inputBytesMax: 2048,
  seeds: [
    '{"state":"serving","reason":"r","primary":"node1","since":"x","nodes":[{"name":"node1","address":"a:1","role":"primary"}],"sessions":{"active":1,"held":0}}',
  ],
  dictionary: ['null', '[]', '{}', '"__proto__":', '1e999', '-1', '"role":"standby"', ','],
  run: (input) => {
    let body: unknown
    try {
      body = JSON.parse(input.toString('utf8'))
    } catch {
      return
    }
    const status = parseStatus(body)
    ensure(
      status === null || (Array.isArray(status.nodes) && typeof status.reason === 'string'),
      'it has what is shown',
    )
  },
}

export const PROBE_TARGETS = [messageGate, probeAnswer, capabilities, conninfo, statusBody]
