/** What a web page that an operator happens to visit can make the browser ask of the admin address. */
import { describe, expect, it } from 'vitest'
import { closeAfterEach, startAdmin, TOKEN_HEADER } from './admin-rig.ts'

closeAfterEach()

/** As browsers say it: whose page asks, and for what. */
const IMAGE = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
const FRAME = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }
const LINK = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
const FORM = { ...LINK, 'content-type': 'application/x-www-form-urlencoded' }
const OWN_PAGE = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }
const TYPED = { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

describe('a foreign page', () => {
  it.each([
    ['an image', '/api/events', IMAGE],
    ['an image from another port of this host', '/api/events', { ...IMAGE, 'sec-fetch-site': 'same-site' }],
    ['a frame', '/', FRAME],
    ['a frame of a path that answers', '/api/status', FRAME],
    ['a script', '/page/main.js', { ...IMAGE, 'sec-fetch-dest': 'script' }],
  ])('cannot have %s of %s: it would take the places of those who look on', async (_, path, headers) => {
    const { ask } = await startAdmin()
    const { status, body } = await ask('GET', path, { headers })
    expect([status, JSON.parse(body)]).toEqual([403, { error: 'requests from web pages of any origin are refused' }])
  })

  it('may link to the live page and to the status', async () => {
    const { ask } = await startAdmin()
    expect((await ask('GET', '/', { headers: LINK })).status).toBe(200)
    expect((await ask('GET', '/api/status', { headers: LINK })).status).toBe(200)
  })

  it('cannot link to the stream, which would stay open', async () => {
    const { ask } = await startAdmin()
    expect((await ask('GET', '/api/events', { headers: LINK })).status).toBe(403)
  })

  it('cannot send a form, not even with the token', async () => {
    const { ask, orders } = await startAdmin()
    const { status } = await ask('POST', '/api/drain', { headers: { ...FORM, ...TOKEN_HEADER } })
    expect([status, orders]).toEqual([403, []])
  })
})

describe('the live page itself', () => {
  it.each([
    ['what it loads', OWN_PAGE],
    ['what an operator types', TYPED],
    ['programs, which say nothing of the kind', {}],
  ])('is given to %s', async (_, headers) => {
    const { ask } = await startAdmin()
    expect((await ask('GET', '/page/main.js', { headers })).status).toBe(200)
    expect((await ask('GET', '/api/status', { headers })).status).toBe(200)
  })
})
