// The FastAPI example: its page logs in at Chancery, and it reads the access token from the cookie.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { Authenticator } from './support/authenticator.js'
import { launchChromium } from './support/browsers.js'
import { page as blank, proxy } from './support/front.js'
import { Process, ROOT } from './support/process.js'
import { PASSWORD, USERNAME } from './support/server.js'
import { EXAMPLES, SAME_SITE, Site } from './support/site.js'
import { Tab, Visitor, until } from './support/visitor.js'

const SETTINGS = {
  'browser.domain': 'example.localhost',
  'browser.access_cookie': 'access_token',
}
const STRANGER = 'evil.example.localhost'

describe('a FastAPI service that reads the access token from a cookie', () => {
  let site, service, browser, visitor, tab, page

  before(async () => {
    site = await Site.open(SAME_SITE, SETTINGS)
    service = await startService(site)
    const [pages, api] = [site.example('fastapi', 'http://127.0.0.1:8080'), proxy(service.port)]
    site.front.hosts.set(SAME_SITE.app, (request, response, path) =>
      path === '/' ? pages(request, response, '/page.html') : api(request, response),
    )
    site.front.hosts.set(STRANGER, blank('<!doctype html><title>A page</title>'))
    browser = await launchChromium()
  })
  after(async () => {
    await browser?.close()
    await service?.stop()
    await site?.close()
  })
  beforeEach(async () => {
    site.front.requests.length = 0
    visitor = await Visitor.to(site, browser)
    page = await visitor.context.newPage()
    tab = new Tab(site, page)
    await page.goto(site.app)
    await tab.fillIn(PASSWORD)
    await noteForm().waitFor()
  })
  afterEach(() => visitor.leave())

  const noteForm = () => page.locator('#note:not([hidden])')
  const statuses = (path) => site.front.answered(path).map(({ status }) => status)
  const token = async () => (await visitor.cookies()).find(({ name }) => name === '__Secure-access_token')?.value
  const add = async (text) => {
    await page.getByLabel('Note').fill(text)
    await page.getByRole('button', { name: 'Add' }).click()
    await page.locator('li', { hasText: text }).or(page.locator('#login:not([hidden])')).waitFor()
  }

  it('knows who is logged in, from the first call on and after a reload', async () => {
    await add('the first note')
    await page.reload()
    await page.locator('li', { hasText: 'the first note' }).waitFor()
    assert.ok(site.front.answered('/notes').every(({ headers }) => headers.authorization === undefined))
    assert.equal(await page.evaluate(() => document.cookie), '')
  })

  it('lets who has a second factor in with its code', async (test) => {
    const app = await Authenticator.enrol(page, site.issuer)
    test.after(() => site.server.cli(['users', 'reset-totp', USERNAME]))
    await tab.logOut()
    await tab.fillIn('a wrong password')
    await tab.complaint.waitFor()
    assert.equal(await page.getByLabel('Password').inputValue(), '')
    await tab.fillIn(PASSWORD)
    await tab.sendCode(app.used)
    await tab.complaint.waitFor()
    await tab.sendCode(await app.code())
    await noteForm().waitFor()
    await add('a note of two factors')
  })

  it('takes the same token from the header', async () => {
    const headers = { Authorization: `Bearer ${await token()}` }
    const notes = await fetch(`http://127.0.0.1:${service.port}/notes`, { headers })
    assert.equal(notes.status, 200)
    const forged = await fetch(`http://127.0.0.1:${service.port}/notes`, { headers: { Authorization: 'Bearer x' } })
    assert.equal(forged.status, 401)
  })

  it('is asked again with a new cookie when the access token has expired', async () => {
    await page.clock.setFixedTime(Date.now()) // for the page it never gets old
    await site.server.setLifetime('1s')
    await page.reload()
    await until(() => statuses('/session/refresh').includes(200), 'the page has a new access token')
    await site.server.setLifetime('10m')
    await until(async () => (await token()) === undefined, 'its cookie has expired')
    site.front.requests.length = 0
    await add('a later note')
    assert.equal(statuses('/notes')[0], 401)
    assert.deepEqual(statuses('/session/refresh'), [200])
  })

  it('lets no page of a stranger change anything, though the cookie comes with its requests', async () => {
    const stranger = await visitor.context.newPage()
    await stranger.goto(site.front.origin(STRANGER))
    site.front.requests.length = 0
    await stranger.evaluate(post, { url: `${site.app}/notes`, body: JSON.stringify({ text: 'a note of a stranger' }) })
    const [{ status, headers }] = site.front.answered('/notes')
    assert.equal(status, 403)
    assert.match(headers.cookie, /__Secure-access_token=ey/)
  })

  it('shows the login form when the session was closed, and both cookies are gone', async () => {
    const [{ id }] = await site.server.cli(['sessions', 'list', '--limit', '1'])
    await site.server.cli(['sessions', 'close', id])
    // The service alone cannot know that the access token is refused, until it has expired.
    await visitor.context.clearCookies({ name: '__Secure-access_token' })
    await add('a note too late')
    assert.ok(await page.locator('#login:not([hidden])').isVisible())
    assert.equal(statuses('/session/refresh').at(-1), 401)
    assert.deepEqual(await visitor.cookies(), [])
  })
})

function startService(site) {
  const env = {
    ...process.env,
    PYTHONPATH: join(EXAMPLES, 'verify-python'),
    ISSUER: site.issuer,
    JWKS_URL: `http://127.0.0.1:${site.server.port}/.well-known/jwks.json`,
    ORIGIN: site.app,
    ACCESS_COOKIE: '__Secure-access_token',
  }
  const python = join(ROOT, 'tests/browser/.venv/bin/python')
  const uvicorn = [python, '-m', 'uvicorn', '--app-dir', join(EXAMPLES, 'fastapi'), '--port', '0', 'main:app']
  return Process.start(uvicorn, { env }, /running on http:\/\/127\.0\.0\.1:(\d+)/)
}

// In the page.
async function post({ url, body }) {
  await fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body })
}
