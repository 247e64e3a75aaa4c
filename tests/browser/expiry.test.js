// Sessions that lapse while nobody looks: the page shows its login form again.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { launchChromium } from './support/browsers.js'
import { SAME_SITE, Site } from './support/site.js'
import { Visitor, until } from './support/visitor.js'

describe('an expired session', () => {
  let site, browser

  before(async () => {
    site = await Site.open(SAME_SITE, {
      'tokens.access_token_lifetime': '1s',
      'tokens.refresh_idle_lifetime': '3s',
    })
    browser = await launchChromium()
  })
  after(async () => {
    await browser?.close()
    await site?.close()
  })

  // A tab that was logged in, and is not any more; and all that the browser had as cookies.
  async function expired(test) {
    const visitor = await Visitor.to(site, browser)
    test.after(() => visitor.leave())
    const tab = await visitor.tab()
    await tab.logIn()
    const cookies = await visitor.context.cookies()
    const [{ id }] = await site.server.cli(['sessions', 'list', '--limit', '1'])
    await until(async () => (await site.server.session(id)).state === 'expired', 'the session has expired')
    return { visitor, tab, cookies }
  }

  it('is gone for a page that calls its API', async (test) => {
    const { visitor, tab } = await expired(test)
    assert.equal(await tab.callApi(), null)
    assert.equal(await tab.problem.textContent(), 'You are logged out.')
    await until(async () => (await visitor.cookies()).length === 0, 'the cookie has expired, too')
    await tab.logIn()
    assert.equal(await tab.isLoggedIn(), true)
  })

  it('is gone for a page that is loaded', async (test) => {
    const { tab } = await expired(test)
    await tab.load()
    assert.equal(await tab.isLoggedIn(), false)
  })

  it('is answered 401, and its cookie is taken away, where the browser still has it', async (test) => {
    const { visitor, tab, cookies } = await expired(test)
    await visitor.context.addCookies(cookies.map((cookie) => ({ ...cookie, expires: Date.now() / 1000 + 3600 })))
    site.front.requests.length = 0
    assert.equal(await tab.callApi(), null)
    const [{ status, headers }] = site.front.answered('/session/refresh')
    assert.equal(status, 401)
    assert.match(headers.cookie, /refresh_token=cr1_/)
    assert.deepEqual(await visitor.cookies(), [])
  })
})
