/**
 * P7, bad input where TLS ends at the proxy: each form by its answer, its close reason and its counter, beside a
 * neighbour at full speed that looks at every byte.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Certificate, CertificateAuthority, opensslAvailable } from '../support/certificates.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries } from '../support/postgres-binaries.ts'
import { SLOW_TLS_FORMS, TLS_FORMS, type TlsForm } from './hostile-tls-forms.ts'
import { HostileWatch } from './hostile-watch.ts'
import { StreamingNeighbour } from './neighbour.ts'
import { tellOnFailure } from './scene.ts'
import { TlsStage } from './tls-stage.ts'

const SKETCHES = {
  terminate: (files) => ({ mode: 'terminate', ...files.own }),
  required: (files) => ({ mode: 'terminate', ...files.own, require: true }),
  strict: (files) => ({ mode: 'terminate', ...files.own, require: true, client_ca: files.ca }),
} satisfies Parameters<typeof TlsStage.open>[1]

const binaries = findBinaries('any')
const isThere = 'missing' in binaries ? binaries.missing : true
const isAvailable = opensslAvailable() === true ? isThere : opensslAvailable()

describe.skipIf(leftOut('hostile clients of TLS that ends at the proxy', isAvailable))('a client of TLS', () => {
  if ('missing' in binaries) return
  let stage: TlsStage
  let neighbour: StreamingNeighbour
  let watch: HostileWatch
  let folder: string
  let stranger: Certificate

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-stranger-'))
    stranger = new CertificateAuthority(folder, 'stranger').issue('strangers-client', 'einvoice')
    stage = await TlsStage.open(binaries, SKETCHES, { limits: { startup_timeout: '1s' } })
    neighbour = await StreamingNeighbour.start(stage.target('terminate'))
    watch = new HostileWatch(stage.scene, neighbour)
  })
  beforeEach(() => tellOnFailure(() => stage?.scene))
  afterAll(async () => {
    neighbour?.stop()
    await stage?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const attack = async (form: TlsForm): Promise<Buffer> => {
    const { words, hasAlert } = await form.attack({ port: stage.target(form.listener).port, stranger })
    expect([form.name, hasAlert]).toEqual([form.name, form.alert ?? false])
    return words
  }

  it.each(TLS_FORMS)('with $name is refused: $counted', async (form) => {
    await watch.begin(form)
    await watch.end(form, await attack(form))
  })

  it('that takes its time is let go when it is over', async () => {
    const [first] = SLOW_TLS_FORMS
    if (first === undefined) throw new Error('there is none')
    await watch.begin(first)
    const words = await Promise.all(SLOW_TLS_FORMS.map(attack))
    await watch.end(first, Buffer.concat(words), SLOW_TLS_FORMS.length)
  })
})
