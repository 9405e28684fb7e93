import { describe, expect, it } from 'vitest'
import { ORDERS_TAKEN } from '../../src/admin/order-desk.ts'
import { WRONG_TOKENS } from '../../src/admin/token-gate.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { closeAfterEach, STATUS, startAdmin, TOKEN, TOKEN_HEADER } from './admin-rig.ts'

closeAfterEach()

const body = JSON.stringify({ node: 'node1' })
const RIGHT = { headers: TOKEN_HEADER, body }
const WRONG = { headers: { authorization: 'Bearer wrong' }, body }

describe('an order', () => {
  it.each([
    ['accept', { node: 'node1' }, { kind: 'accept', node: 'node1' }],
    ['fence', { node: 'node1' }, { kind: 'fence', node: 'node1' }],
    ['unfence', { node: 'node1' }, { kind: 'unfence', node: 'node1' }],
    ['probe', { node: 'node1' }, { kind: 'probe', node: 'node1' }],
    ['probe', {}, { kind: 'probe', node: null }],
    ['drain', {}, { kind: 'drain', isOn: true }],
    ['drain', { drain: true }, { kind: 'drain', isOn: true }],
    ['drain', { drain: false }, { kind: 'drain', isOn: false }],
    ['log-level', { level: 'debug', for: '10m' }, { kind: 'log-level', level: 'debug', forMs: 600_000 }],
    ['log-level', { level: 'warn' }, { kind: 'log-level', level: 'warn', forMs: null }],
  ])('to %s with %j is carried out with the right token, and told to the log', async (name, fields, order) => {
    const { ask, orders } = await startAdmin()
    const { status, body: answer } = await ask('POST', `/api/${name}`, {
      headers: TOKEN_HEADER,
      body: JSON.stringify({ ...fields, reason: 'disk is failing' }),
    })

    expect(status).toBe(200)
    expect(JSON.parse(answer)).toEqual({ message: 'done', status: JSON.parse(JSON.stringify(STATUS)) })
    const result = { ok: true, message: 'done' }
    expect(orders).toEqual([{ order, reason: 'disk is failing', client: '127.0.0.1', result }])
  })

  it.each(['probe', 'drain'])('to %s needs no body', async (name) => {
    const { ask, orders } = await startAdmin()
    expect((await ask('POST', `/api/${name}`, { headers: TOKEN_HEADER })).status).toBe(200)
    expect(orders).toMatchObject([{ order: { kind: name }, reason: null }])
  })

  it('that cannot be followed is answered 409 with the problem, and told to the log', async () => {
    const result = { ok: false, problem: 'there is no node "node1"' } as const
    const { ask, orders } = await startAdmin({ result })
    const { status, body: answer } = await ask('POST', '/api/fence', RIGHT)

    expect([status, JSON.parse(answer)]).toEqual([409, { error: 'there is no node "node1"' }])
    expect(orders).toMatchObject([{ result }])
  })

  it('is off, and says how it is switched on, when no token is configured', async () => {
    const { ask, orders, refused } = await startAdmin({ token: null })
    const { status, body: answer } = await ask('POST', '/api/fence', RIGHT)

    expect([status, orders]).toEqual([403, []])
    expect(answer).toContain('admin.token_file')
    expect(refused).toEqual([{ name: 'fence', client: '127.0.0.1', why: 'orders-off' }])
  })

  it.each<[string, string, Record<string, string>]>([
    ['no token', 'no-token', {}],
    ['a wrong token', 'wrong-token', { authorization: 'Bearer wrong' }],
    ['half of the token', 'wrong-token', { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
    ['more than the token', 'wrong-token', { authorization: `Bearer ${TOKEN}!` }],
    ['the token in another scheme', 'no-token', { authorization: `Basic ${TOKEN}` }],
    ['an empty token', 'no-token', { authorization: 'Bearer ' }],
  ])('with %s is refused, and its reason told to the log', async (_, why, headers) => {
    const { ask, orders, refused } = await startAdmin()
    const answer = await ask('POST', '/api/fence', { headers, body })

    expect([answer.status, answer.headers['www-authenticate'], orders]).toEqual([401, 'Bearer', []])
    expect(refused).toEqual([{ name: 'fence', client: '127.0.0.1', why }])
  })

  it('with the token in the query is refused: it would be in the logs of others', async () => {
    const { ask, orders } = await startAdmin()
    expect((await ask('POST', `/api/fence?token=${encodeURIComponent(TOKEN)}`, { body })).status).toBe(401)
    expect(orders).toEqual([])
  })

  it('without a token is refused also when the configured token is empty', async () => {
    const { ask, orders } = await startAdmin({ token: '' })
    const statuses = [
      (await ask('POST', '/api/fence', { body })).status,
      (await ask('POST', '/api/fence', { headers: { authorization: 'Bearer ' }, body })).status,
    ]

    expect([statuses, orders]).toEqual([[401, 401], []])
  })

  it('needs the token that is configured now', async () => {
    const { ask, server } = await startAdmin()
    server.configure({ hosts: [], token: 'another token, and long' })
    expect((await ask('POST', '/api/fence', RIGHT)).status).toBe(401)
    const headers = { authorization: 'Bearer another token, and long' }
    expect((await ask('POST', '/api/fence', { headers, body })).status).toBe(200)
    server.configure({ hosts: [], token: null })
    expect((await ask('POST', '/api/fence', { headers, body })).status).toBe(403)
  })

  it.each<[string, string, string]>([
    ['empty', 'fence', ''],
    ['no JSON', 'fence', 'node1'],
    ['a list', 'fence', '["node1"]'],
    ['null', 'fence', 'null'],
    ['without a node', 'fence', '{}'],
    ['with a number', 'fence', '{"node":1}'],
    ['with an empty name', 'fence', '{"node":""}'],
    ['with a field that nobody knows', 'fence', '{"node":"node1","force":true}'],
    ['of another order', 'drain', '{"node":"node1"}'],
    ['with a word for a switch', 'drain', '{"drain":"false"}'],
    ['with a number for a node', 'probe', '{"node":1}'],
    ['with a reason of two lines', 'fence', '{"node":"node1","reason":"a\\nb"}'],
    ['with an endless reason', 'fence', JSON.stringify({ node: 'node1', reason: 'x'.repeat(201) })],
  ])('with a body that is %s is answered 400 (%s)', async (_, name, faulty) => {
    const { ask, orders, refused } = await startAdmin()
    const { status } = await ask('POST', `/api/${name}`, { headers: TOKEN_HEADER, body: faulty })

    expect([status, orders]).toEqual([400, []])
    expect(refused).toEqual([{ name, client: '127.0.0.1', why: 'malformed' }])
  })

  it.each([
    ['by little', 4100],
    ['by far', 1_000_000],
  ])('with a body that is too large %s is answered 413', async (_, length) => {
    const { ask, orders } = await startAdmin()
    const large = JSON.stringify({ node: 'x'.repeat(length) })
    const { status } = await ask('POST', '/api/fence', { headers: TOKEN_HEADER, body: large })

    expect([status, orders]).toEqual([413, []])
  })

  it('without the token is refused before its body is looked at', async () => {
    const { ask } = await startAdmin()
    expect((await ask('POST', '/api/fence', { body: 'no JSON' })).status).toBe(401)
  })
})

describe('guessing the token', () => {
  it('is answered 429 from one address after some tries, and there alone', async () => {
    const { ask, refused } = await startAdmin()
    for (let tries = 0; tries < WRONG_TOKENS.countMax; tries += 1) {
      expect((await ask('POST', '/api/fence', WRONG)).status).toBe(401)
    }
    const { status, headers } = await ask('POST', '/api/fence', WRONG)

    expect(status).toBe(429)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(Number(headers['retry-after'])).toBeLessThanOrEqual(WRONG_TOKENS.windowMs / 1000)
    expect(refused.at(-1)?.why).toBe('too-many-wrong-tokens')
    expect((await ask('POST', '/api/fence', { ...WRONG, localAddress: '127.0.0.2' })).status).toBe(401)
  })

  it('does not lock the operator out, who comes from the same address with the right one', async () => {
    const { ask } = await startAdmin()
    for (let tries = 0; tries <= WRONG_TOKENS.countMax; tries += 1) await ask('POST', '/api/fence', WRONG)

    expect((await ask('POST', '/api/fence', RIGHT)).status).toBe(200)
    expect((await ask('GET', '/readyz')).status).toBe(200)
  })

  it('may begin anew when a minute is over', async () => {
    const clock = new FakeClock()
    const { ask } = await startAdmin({ clock })
    for (let tries = 0; tries <= WRONG_TOKENS.countMax; tries += 1) await ask('POST', '/api/fence', WRONG)
    clock.advance(WRONG_TOKENS.windowMs - 1)
    expect((await ask('POST', '/api/fence', WRONG)).status).toBe(429)
    clock.advance(1)
    expect((await ask('POST', '/api/fence', WRONG)).status).toBe(401)
  })
})

describe('orders without end', () => {
  it('are answered 429 for the rest of the second, with the right token too', async () => {
    const clock = new FakeClock()
    const { ask, orders, refused } = await startAdmin({ clock })
    for (let count = 0; count < ORDERS_TAKEN.countMax; count += 1) await ask('POST', '/api/fence', RIGHT)
    const { status, headers } = await ask('POST', '/api/fence', RIGHT)

    expect([status, headers['retry-after'], orders.length]).toEqual([429, '1', ORDERS_TAKEN.countMax])
    expect(refused).toEqual([{ name: 'fence', client: '127.0.0.1', why: 'too-many-orders' }])
    clock.advance(ORDERS_TAKEN.windowMs)
    expect((await ask('POST', '/api/fence', RIGHT)).status).toBe(200)
  })
})
