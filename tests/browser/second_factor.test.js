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

  it('asks for the code, refuses the one that was used already, and takes the next, or a recovery code', async (test) => {
    const visitor = await Visitor.to(site, browser)
    test.after(() => visitor.leave())
    const tab = await visitor.tab()
    await tab.logIn()
    const app = await Authenticator.enrol(tab.page, site.issuer)
    await tab.logOut()

    await tab.fillIn(PASSWORD)
    await tab.sendCode(app.used)
    await tab.complaint.waitFor()
    assert.equal(await tab.isLoggedIn(), false)
    assert.deepEqual(await visitor.cookies(), [])
    await tab.sendCode((await app.code()).replace(/^.../, '$& ')) // as apps show it
    await tab.account.waitFor()
    assert.equal((await tab.callApi()).preferred_username, USERNAME)
    await tab.logOut()

    await tab.fillIn(PASSWORD)
    await tab.sendCode('AAAA-AAAA-AAAA-AAAA')
    await tab.complaint.waitFor()
    await tab.sendCode(app.recoveryCodes[0])
    await tab.account.waitFor()
  })
})
