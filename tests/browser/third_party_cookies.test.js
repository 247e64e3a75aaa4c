// Pages on another site than the issuer, in browsers whose users let third-party cookies be, or refuse them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CROSS_SITE, PARTITIONED, Site } from './support/site.js'
import { Visitor } from './support/visitor.js'

const CASES = [
  { name: 'allowed, not partitioned', place: CROSS_SITE, thirdPartyCookies: true, sticks: true },
  { name: 'refused, not partitioned', place: CROSS_SITE, thirdPartyCookies: false, sticks: false },
  { name: 'allowed, partitioned', place: PARTITIONED, thirdPartyCookies: true, sticks: true },
  { name: 'refused, partitioned', place: PARTITIONED, thirdPartyCookies: false, sticks: true },
]

const REFUSED = 'This browser did not keep the cookie of the login: it refuses the cookies of other sites.'

describe('third-party cookies', () => {
  for (const { name, place, thirdPartyCookies, sticks } of CASES) {
    it(`${name}: ${sticks ? 'the login sticks' : 'the page says that the login does not stick'}`, async (test) => {
      const site = await Site.open(place)
      test.after(() => site.close())
      const visitor = await Visitor.withProfile(site, { thirdPartyCookies })
      test.after(() => visitor.leave())

      const tab = await visitor.tab()
      await tab.logIn()
      assert.equal(site.front.answered('/session/login')[0].status, 200)
      assert.equal(await tab.isLoggedIn(), sticks)
      assert.equal(await tab.problem.textContent(), sticks ? '' : REFUSED)
      await tab.load()
      assert.equal(await tab.isLoggedIn(), sticks)
    })
  }
})
