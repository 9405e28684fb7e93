/**
 * P5, newer minor protocols and their options are between client and server, in plain and within TLS of either kind: the
 * server's NegotiateProtocolVersion comes as it would directly, and a server that speaks 3.2 gets to.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { firstPacket, message, PROTOCOL_3_2, parameters } from '../protocol/wire-bytes.ts'
import { opensslAvailable } from '../support/certificates.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries } from '../support/postgres-binaries.ts'
import { tellOnFailure } from './scene.ts'
import { TlsStage } from './tls-stage.ts'
import { dial, isOver, messagesOf, type Way } from './ways.ts'

const LOGIN = [
  ['user', 'postgres'],
  ['database', 'einvoice'],
] as const
const OPTION = ['_pq_.unheard_of', 'on'] as const

const FORMS = {
  'protocol 3.2': firstPacket(PROTOCOL_3_2, parameters(...LOGIN)),
  'protocol 3.2 with an option': firstPacket(PROTOCOL_3_2, parameters(...LOGIN, OPTION)),
  'protocol 3.0 with an option': firstPacket(196_608, parameters(...LOGIN, OPTION)),
  'protocol 3.9999': firstPacket(196_608 + 9_999, parameters(...LOGIN)),
} as const
type Form = keyof typeof FORMS

const SKETCHES = {
  passthrough: () => ({ mode: 'passthrough' }),
  disable: (files) => ({ mode: 'terminate', ...files.own, server_sslmode: 'disable' }),
  require: (files) => ({ mode: 'terminate', ...files.own, server_sslmode: 'require' }),
} satisfies Parameters<typeof TlsStage.open>[1]

/** What the server says to the form: types of messages, what it negotiates, and how long its cancel key is. */
interface Answer {
  readonly types: string
  readonly negotiated: readonly string[]
  readonly keyBytes: number
}

async function ask(way: Way, target: { readonly host: string; readonly port: number }, form: Form): Promise<Answer> {
  const wire = await dial(way, target)
  wire.send(FORMS[form])
  await waitFor('ReadyForQuery', () => messagesOf(wire, 'Z').length === 1)
  wire.send(message('X'))
  await waitFor('the end', () => isOver(wire))
  wire.socket.destroy()
  const [key] = messagesOf(wire, 'K')
  return {
    types: ['R', 'v', 'K', 'Z', 'E'].map((type) => `${type}${messagesOf(wire, type).length}`).join(' '),
    negotiated: messagesOf(wire, 'v').map(({ payload }) => payload.toString('latin1')),
    keyBytes: (key?.payload.length ?? 0) - 4,
  }
}

for (const kind of ['system', 'npm'] as const) {
  const binaries = findBinaries(kind)
  const isThere = 'missing' in binaries ? binaries.missing : true
  const available = opensslAvailable() === true ? isThere : opensslAvailable()
  describe.skipIf(leftOut(`negotiation with the ${kind} server`, available))(`the ${kind} server`, () => {
    if ('missing' in binaries) return
    const speaksNewest = binaries.major >= 18
    let stage: TlsStage

    beforeAll(async () => {
      stage = await TlsStage.open(binaries, SKETCHES)
    })
    beforeEach(() => tellOnFailure(() => stage?.scene))
    afterAll(() => stage?.close())

    it.each(Object.keys(FORMS) as Form[])('answers %s as it does directly, by every way through', async (form) => {
      const directly = await ask('in plain', stage.node1, form)
      expect(directly.negotiated).toHaveLength(speaksNewest && form === 'protocol 3.2' ? 0 : 1)
      expect(directly.keyBytes).toBe(speaksNewest && FORMS[form].readInt32BE(4) >= PROTOCOL_3_2 ? 32 : 4)

      for (const listener of Object.keys(SKETCHES)) {
        for (const way of ['in plain', 'after an SSLRequest'] as const) {
          expect(await ask(way, stage.target(listener), form), `${way}, ${listener}`).toEqual(directly)
        }
      }
    })
  })
}
