import { afterEach, expect, it } from 'vitest'
import { startAnsweringServer } from '../chaos/answering-server.ts'
import { errorOf, type FakeServer, LOGIN } from '../net/fake-server.ts'
import { waitFor } from '../support/condition.ts'
import { Writer } from './writers.ts'

let writer: Writer | null = null
let server: FakeServer | null = null

afterEach(async () => {
  await writer?.stop()
  await server?.close()
})

it('records why its session ended when that came with the end of the login, not that it is not queryable', async () => {
  const words = errorOf('57P01', 'terminating connection due to administrator command')
  server = await startAnsweringServer(() => {}, Buffer.concat([LOGIN, words]))
  writer = new Writer({ host: '127.0.0.1', port: server.port }, { style: 'long', name: 'w' })
  const { errors } = writer
  await waitFor('an error', () => errors[0])
  expect(errors[0]).toMatchObject({ phase: 'write', code: '57P01' })
})
