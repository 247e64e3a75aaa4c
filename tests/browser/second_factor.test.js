// Logins that need a code after the password.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Authenticator } from './support/authenticator.js'
import { launchChromium } from './support/browsers.js'
import { PASSWORD, USERNAME } from './support/server.js'
import { SAME_SITE, Site } from './support/site.js'
import { Visitor } from './support/visitor.js'

describe('a login with a second factor', () => {
  let site, browser

  before(async () => {
    site = await Site.open(SAME_SITE)
    browser = await launchChromium()
  })
  after(async () => {
    await browser?.close()
    await site?.close()
  })

  it('asks for the code, refuses the one that was used already, and takes the next', async (test) => {
    const visitor = await Visitor.to(site, browser)
    test.after(() => visitor.leave())
    const tab = await visitor.tab()
    await tab.logIn()
    const { uri } = await tab.page.evaluate(post, { issuer: site.issuer, path: '/account/totp', password: PASSWORD })
    const app = new Authenticator(uri)
    const used = await app.code()
    await tab.page.evaluate(post, { issuer: site.issuer, path: '/account/totp/confirm', otp: used })
    await tab.logOut()

    const code = tab.page.getByLabel('Code')
    const goOn = tab.page.getByRole('button', { name: 'Go on' })
    await tab.fillIn(PASSWORD)
    await code.fill(used)
    await goOn.click()
    await tab.page.locator('#problem:not(:empty)').waitFor()
    assert.equal(await tab.isLoggedIn(), false)
    assert.deepEqual(await visitor.cookies(), [])
    await code.fill(await app.code(1))
    await goOn.click()
    await tab.account.waitFor()
    assert.equal((await tab.callApi()).preferred_username, USERNAME)
  })
})

// In the page: a request of whoever is logged in.
async function post({ issuer, path, ...body }) {
  const { csrf_token } = await (await fetch(`${issuer}/session`, { credentials: 'include' })).json()
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token }
  const options = { method: 'POST', credentials: 'include', headers, body: JSON.stringify(body) }
  const answer = await fetch(issuer + path, options)
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}
