import { describe, expect, it } from 'vitest'
import { NOTIFICATIONS_TAKEN } from '../../src/admin/notification-desk.ts'
import { notifyToken } from '../../src/admin/notify-token.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { closeAfterEach, startAdmin, TOKEN, TOKEN_HEADER } from './admin-rig.ts'

closeAfterEach()

const body = JSON.stringify({ event: 'standby_promote', node: '2', success: '1' })
const OWN_HEADER = { authorization: `Bearer ${notifyToken(TOKEN)}` }

async function start(options: Parameters<typeof startAdmin>[0] = {}) {
  let hurried = 0
  const rig = await startAdmin({ ...options, actions: { hurry: () => (hurried += 1) } })
  return { ...rig, hurried: () => hurried }
}

describe('a notification', () => {
  it.each([
    ['the admin token', TOKEN_HEADER],
    ['a token of its own', OWN_HEADER],
  ])('with %s has every node asked, and is told to the log', async (_, headers) => {
    const { ask, hurried, notified } = await start()
    const answer = await ask('POST', '/api/notify', { headers, body })

    expect([answer.status, JSON.parse(answer.body)]).toEqual([202, { message: 'every node is asked' }])
    expect(hurried()).toBe(1)
    expect(notified).toMatchObject([
      { client: '127.0.0.1', notification: { event: 'standby_promote', nodeId: '2', success: true } },
    ])
  })

  it('may be in the query, where a shell leaves it alone', async () => {
    const { ask, hurried, notified } = await start()
    const path = '/api/notify?event=standby_promote&node=2&success=1&details=it%20was'

    expect((await ask('POST', path, { headers: OWN_HEADER })).status).toBe(202)
    expect(hurried()).toBe(1)
    expect(notified).toMatchObject([
      { notification: { event: 'standby_promote', nodeId: '2', success: true, details: 'it was' } },
    ])
  })

  it.each([
    ['no token', {}, 401, 'no-token'],
    ['a wrong token', { authorization: 'Bearer wrong' }, 401, 'wrong-token'],
    ["another token's own", { authorization: `Bearer ${notifyToken('another')}` }, 401, 'wrong-token'],
  ])('with %s does nothing, and that is told to the log', async (_, headers, code, why) => {
    const { ask, hurried, notified, refused } = await start()

    expect((await ask('POST', '/api/notify', { headers, body })).status).toBe(code)
    expect([hurried(), notified]).toEqual([0, []])
    expect(refused).toEqual([{ name: 'notify', client: '127.0.0.1', why }])
  })

  it('has a token that is good for no order', async () => {
    const { ask, orders, refused } = await start()
    const fence = { headers: OWN_HEADER, body: '{"node": "node1"}' }

    expect((await ask('POST', '/api/fence', fence)).status).toBe(401)
    expect([orders, refused]).toEqual([[], [{ name: 'fence', client: '127.0.0.1', why: 'wrong-token' }]])
  })

  it('is off when no token is configured, also with the token that would be made of none', async () => {
    const { ask, hurried } = await start({ token: null })

    for (const token of ['', notifyToken('')]) {
      const headers = { authorization: `Bearer ${token}` }
      expect((await ask('POST', '/api/notify', { headers, body })).status).toBe(403)
    }
    expect(hurried()).toBe(0)
  })

  it.each([['no JSON'], ['[]'], ['{}'], ['{"event": "standby_promote", "what": 1}']])(
    'that says %j is refused, and does nothing',
    async (malformed) => {
      const { ask, hurried, refused } = await start()

      expect((await ask('POST', '/api/notify', { headers: OWN_HEADER, body: malformed })).status).toBe(400)
      expect([hurried(), refused]).toEqual([0, [{ name: 'notify', client: '127.0.0.1', why: 'malformed' }]])
    },
  )

  it('too many in a second are refused, and leave room for orders', async () => {
    const clock = new FakeClock()
    const { ask, hurried } = await start({ clock })
    const told = { headers: OWN_HEADER, body }
    for (let count = 0; count < NOTIFICATIONS_TAKEN.countMax; count += 1) await ask('POST', '/api/notify', told)

    expect((await ask('POST', '/api/notify', told)).status).toBe(429)
    expect(hurried()).toBe(NOTIFICATIONS_TAKEN.countMax)
    expect((await ask('POST', '/api/probe', { headers: TOKEN_HEADER })).status).toBe(200)

    clock.advance(NOTIFICATIONS_TAKEN.windowMs)
    expect((await ask('POST', '/api/notify', told)).status).toBe(202)
  })

  it('is not asked by GET', async () => {
    const { ask } = await start()
    expect((await ask('GET', '/api/notify')).status).toBe(405)
  })
})
