import { describe, expect, it } from 'vitest'
import { closeAfterEach, startAdmin } from './admin-rig.ts'

closeAfterEach()

describe('GET /api/observation', () => {
  it('is there while observing, and not on a proxy that serves', async () => {
    const observing = await startAdmin({ actions: { observation: () => ({ since: null }) } })
    const { status, body } = await observing.ask('GET', '/api/observation')
    expect([status, JSON.parse(body)]).toEqual([200, { since: null }])

    const serving = await startAdmin()
    expect((await serving.ask('GET', '/api/observation')).status).toBe(404)
  })
})
