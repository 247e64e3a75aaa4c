// What people do at a page, wherever it and Chancery are.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { PASSWORD, USERNAME } from './server.js'
import { Site } from './site.js'
import { Visitor, until } from './visitor.js'

export function flows(name, place, launch) {
  describe(name, () => {
    let site, browser, visitor

    before(async () => {
      site = await Site.open(place)
      browser = await launch()
    })
    after(async () => {
      await browser?.close()
      await site?.close()
    })
    beforeEach(async () => {
      visitor = await Visitor.to(site, browser)
      site.front.requests.length = 0
    })
    afterEach(() => visitor.leave())

    const statuses = (path) => site.front.answered(path).map(({ status }) => status)
    const bearer = () => site.front.answered('/userinfo').at(-1).headers.authorization
    const sid = async () => (await site.server.cli(['sessions', 'list', '--limit', '1']))[0].id

    it('shows who has logged in, and keeps the tokens from scripts', async () => {
      const tab = await visitor.tab()
      await tab.logIn()
      assert.equal(await tab.page.locator('#username').textContent(), USERNAME)
      assert.equal((await tab.callApi()).preferred_username, USERNAME)
      const [cookie, ...others] = await visitor.cookies()
      assert.deepEqual(others, [])
      assert.match(cookie.value, /^cr1_/)
      assert.equal(cookie.httpOnly, true)
      assert.equal(cookie.secure, place.tls)
      const kept = () => [document.cookie, localStorage.length, sessionStorage.length]
      assert.deepEqual(await tab.page.evaluate(kept), ['', 0, 0])
      await tab.page.goto(`${site.issuer}/.well-known/jwks.json`)
      assert.equal(await tab.page.evaluate(() => document.cookie), '')
    })

    it('says that a password is wrong', async () => {
      const tab = await visitor.tab()
      await tab.logIn('a wrong password')
      assert.deepEqual(statuses('/session/login'), [400])
      assert.notEqual(await tab.problem.textContent(), '')
      assert.equal(await tab.page.getByLabel('Password').inputValue(), '')
      assert.equal(await tab.isLoggedIn(), false)
      assert.deepEqual(await visitor.cookies(), [])
      await tab.logIn(PASSWORD)
      assert.equal(await tab.isLoggedIn(), true)
    })

    it('is still logged in after a reload', async () => {
      const tab = await visitor.tab()
      await tab.logIn()
      await tab.load()
      assert.equal(await tab.isLoggedIn(), true)
      assert.equal((await tab.callApi()).preferred_username, USERNAME)
    })

    it('renews an access token before it expires', async () => {
      const tab = await visitor.tab((page) => page.clock.install())
      await tab.logIn()
      await tab.callApi()
      const first = bearer()
      await tab.page.clock.fastForward('09:30')
      assert.equal((await tab.callApi()).preferred_username, USERNAME)
      assert.notEqual(bearer(), first)
    })

    it('renews an access token that has expired, and repeats the call', async () => {
      const tab = await visitor.tab((page) => page.clock.setFixedTime(Date.now())) // it never gets old for the page
      await site.server.setLifetime('1s')
      const login = tab.page.waitForResponse((answer) => answer.request().method() === 'POST')
      await tab.logIn()
      await site.server.setLifetime('10m')
      const authorization = `Bearer ${(await (await login).json()).access_token}`
      const userinfo = `http://127.0.0.1:${site.server.port}/userinfo`
      const status = async () => (await fetch(userinfo, { headers: { authorization } })).status
      await until(async () => (await status()) === 401, 'the access token has expired')
      assert.equal((await tab.callApi()).preferred_username, USERNAME)
      assert.deepEqual([statuses('/userinfo'), statuses('/session/refresh')], [[401, 200], [200]])
      assert.notEqual(bearer(), authorization)
    })

    it('stays logged in in two tabs that refresh at once', async () => {
      const first = await visitor.tab()
      await first.logIn()
      const id = await sid()
      const second = await visitor.tab()
      const { generation } = await site.server.session(id)
      for (const round of [1, 2]) {
        site.front.requests.length = 0
        site.front.together('/session/refresh', 2)
        await Promise.all([first.load(), second.load()])
        await until(() => statuses('/session/refresh').length === 2, 'both tabs have refreshed')
        assert.deepEqual(statuses('/session/refresh'), [200, 200])
        const [one, two] = site.front.answered('/session/refresh').map(({ headers }) => headers.cookie)
        assert.equal(one, two)
        assert.equal((await site.server.session(id)).generation, generation + round)
      }
      for (const tab of [first, second]) {
        assert.equal((await tab.callApi()).preferred_username, USERNAME)
      }
    })

    it('is logged out in all tabs by a logout in one', async () => {
      const first = await visitor.tab()
      await first.logIn()
      const second = await visitor.tab()
      await first.logOut()
      assert.deepEqual(await visitor.cookies(), [])
      assert.equal(await second.isLoggedIn(), true)
      assert.equal(await second.callApi(), null)
      assert.equal(await second.isLoggedIn(), false)
      assert.equal(await second.problem.textContent(), 'You are logged out.')
    })

    it('follows another tab in which somebody has logged in anew', async () => {
      const first = await visitor.tab()
      await first.logIn()
      const second = await visitor.tab()
      await second.logOut()
      await second.logIn()
      assert.equal((await first.callApi()).preferred_username, USERNAME)
      await first.logOut()
      assert.equal((await site.server.session(await sid())).state, 'closed')
    })

    it('shows the login form when the session was closed', async () => {
      const tab = await visitor.tab()
      await tab.logIn()
      await site.server.cli(['sessions', 'close', await sid()])
      assert.equal(await tab.callApi(), null)
      assert.equal(await tab.isLoggedIn(), false)
      assert.deepEqual(await visitor.cookies(), [])
      await tab.logIn()
      assert.equal(await tab.isLoggedIn(), true)
    })
  })
}
