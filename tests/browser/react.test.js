// The React example: axios with the access token in memory, and a context that knows who is logged in.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Authenticator } from './support/authenticator.js'
import { launchChromium } from './support/browsers.js'
import { PASSWORD, USERNAME } from './support/server.js'
import { EXAMPLES, SAME_SITE, Site } from './support/site.js'
import { Visitor } from './support/visitor.js'

describe('a React page with axios', () => {
  let site, browser, visitor, tab

  before(async () => {
    await promisify(execFile)('npm', ['run', 'build'], { cwd: join(EXAMPLES, 'react') })
    site = await Site.open(SAME_SITE)
    site.front.hosts.set(SAME_SITE.app, site.example('react'))
    browser = await launchChromium()
  })
  after(async () => {
    await browser?.close()
    await site?.close()
  })
  beforeEach(async () => {
    visitor = await Visitor.to(site, browser)
    tab = await visitor.tab()
    await tab.logIn()
    site.front.requests.length = 0
  })
  afterEach(() => visitor.leave())

  const statuses = (path) => site.front.answered(path).map(({ status }) => status)
  const revoke = async () => {
    const token = site.front.answered('/userinfo').at(-1).headers.authorization.replace('Bearer ', '')
    const body = new URLSearchParams({ client_id: 'web', token })
    await fetch(`http://127.0.0.1:${site.server.port}/revoke`, { method: 'POST', body })
  }

  it('knows who has logged in, and keeps the tokens from other scripts', async () => {
    assert.equal(await tab.page.locator('#username').textContent(), USERNAME)
    assert.equal((await tab.callApi()).preferred_username, USERNAME)
    const kept = () => [document.cookie, localStorage.length, sessionStorage.length]
    assert.deepEqual(await tab.page.evaluate(kept), ['', 0, 0])
  })

  it('lets who has a second factor in with its code', async (test) => {
    const app = await Authenticator.enrol(tab.page, site.issuer)
    test.after(() => site.server.cli(['users', 'reset-totp', USERNAME]))
    await tab.logOut()
    await tab.fillIn('a wrong password')
    await tab.complaint.waitFor()
    assert.equal(await tab.page.getByLabel('Password').inputValue(), '')
    await tab.fillIn(PASSWORD)
    await tab.sendCode('AAAA-AAAA-AAAA-AAAA')
    await tab.complaint.waitFor()
    await tab.sendCode(await app.code())
    await tab.account.waitFor()
    assert.equal((await tab.callApi()).preferred_username, USERNAME)
  })

  it('takes the login up again after a reload, though its effects run twice', async () => {
    await tab.load()
    assert.equal(await tab.page.locator('#username').textContent(), USERNAME)
    assert.equal((await tab.callApi()).preferred_username, USERNAME)
    assert.deepEqual(statuses('/session'), [200, 200])
  })

  it('gets a new access token when the API refuses the old one, and asks again', async () => {
    await tab.callApi()
    await revoke()
    site.front.requests.length = 0
    assert.equal((await tab.callApi()).preferred_username, USERNAME)
    assert.deepEqual([statuses('/userinfo'), statuses('/session/refresh')], [[401, 200], [200]])
  })

  it('follows what happens in another tab', async () => {
    const other = await visitor.tab()
    await other.logOut()
    await other.logIn()
    assert.equal((await tab.callApi()).preferred_username, USERNAME)
    await other.logOut()
    assert.equal(await tab.callApi(), null)
    assert.equal(await tab.isLoggedIn(), false)
  })

  it('shows the login form when the session was closed, and the cookie is gone', async () => {
    const [{ id }] = await site.server.cli(['sessions', 'list', '--limit', '1'])
    await site.server.cli(['sessions', 'close', id])
    assert.equal(await tab.callApi(), null)
    assert.equal(await tab.isLoggedIn(), false)
    assert.deepEqual([statuses('/userinfo'), statuses('/session/refresh')], [[401], [401]])
    assert.deepEqual(await visitor.cookies(), [])
  })
})
