// Pages of strangers, which have the browser of somebody who is logged in send requests: they change nothing.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { page as blank } from './support/front.js'
import { USERNAME } from './support/server.js'
import { CROSS_SITE, SAME_SITE, Site } from './support/site.js'
import { Visitor } from './support/visitor.js'

const STRANGER = { username: 'mallory', password: 'a password of mallory' }

// Where the stranger's page is, and whether the browser adds the cookie to what it sends.
const CASES = [
  { name: 'another site, SameSite=None', place: CROSS_SITE, host: 'evil.localhost', cookie: true },
  { name: 'another site, SameSite=Strict', place: SAME_SITE, host: 'evil.localhost', cookie: false },
  { name: "the issuer's site, SameSite=Strict", place: SAME_SITE, host: 'evil.example.localhost', cookie: true },
]

// What pages can send without being allowed to.
const MEANS = {
  'a form': (page, url) => submit(page, url, 'application/x-www-form-urlencoded'),
  'a form that looks like JSON': (page, url) => submit(page, url, 'text/plain'),
  'a no-cors request': (page, url) => page.evaluate(post, { url, credentials: STRANGER }),
}

for (const { name, place, host, cookie } of CASES) {
  describe(`a page on ${name}`, () => {
    let site, visitor, tab, sid

    before(async () => {
      site = await Site.open(place)
      site.front.hosts.set(host, blank('<!doctype html><title>A page</title>'))
      await site.server.cli(['users', 'create', STRANGER.username, '--password-stdin'], STRANGER.password)
      visitor = await Visitor.withProfile(site, { thirdPartyCookies: true })
      tab = await visitor.tab()
      await tab.logIn()
      sid = (await site.server.cli(['sessions', 'list']))[0].id
    })
    after(async () => {
      await visitor?.leave()
      await site?.close()
    })

    for (const [means, send] of Object.entries(MEANS)) {
      it(`changes nothing by ${means}`, async () => {
        const [session, cookies] = [await site.server.session(sid), await visitor.cookies()]
        const page = await visitor.context.newPage()
        for (const path of ['/session/refresh', '/session/logout', '/session/login']) {
          site.front.requests.length = 0
          await page.goto(site.front.origin(host))
          await send(page, site.issuer + path)
          const [request] = site.front.answered(path)
          assert.ok([403, 415].includes(request.status), `${path}: ${request.status}`)
          assert.equal(request.headers.cookie?.includes('refresh_token=') ?? false, cookie)
        }
        assert.deepEqual(await site.server.session(sid), session)
        assert.deepEqual(await visitor.cookies(), cookies)
        assert.equal((await tab.callApi()).preferred_username, USERNAME)
        await page.close()
      })
    }
  })
}

// Sends the stranger's own credentials, too: nobody must find himself logged in as somebody else.
async function submit(page, url, encoding) {
  const answered = page.waitForURL(url)
  await page.evaluate(fillAndSubmit, { url, encoding, credentials: STRANGER })
  await answered
}

// These two run in the page.

function fillAndSubmit({ url, encoding, credentials }) {
  const form = Object.assign(document.createElement('form'), { method: 'post', action: url, enctype: encoding })
  const json = { [`${JSON.stringify(credentials).slice(0, -1)},"`]: '":1}' } // sent as {…,"=":1}
  for (const [name, value] of Object.entries(encoding === 'text/plain' ? json : credentials)) {
    form.append(Object.assign(document.createElement('input'), { name, value }))
  }
  document.body.append(form)
  form.submit()
}

async function post({ url, credentials }) {
  await fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body: new URLSearchParams(credentials) })
}
