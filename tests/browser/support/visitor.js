// Somebody with a browser: a profile with cookies of its own, and tabs with the example's page.

import { launchProfile } from './browsers.js'
import { PASSWORD, USERNAME } from './server.js'

export class Visitor {
  // In a private window.
  static async to(site, browser) {
    return new Visitor(site, await browser.newContext({ ignoreHTTPSErrors: true }))
  }

  // In an ordinary window.
  static async withProfile(site, choice) {
    return new Visitor(site, await launchProfile(choice))
  }

  constructor(site, context) {
    this.site = site
    this.context = context
    context.setDefaultTimeout(15_000)
  }

  // A tab whose page has found out whether somebody is logged in. `prepare` may change it before it is loaded.
  async tab(prepare = () => {}) {
    const tab = new Tab(this.site, await this.context.newPage())
    await prepare(tab.page)
    await tab.load()
    return tab
  }

  // Those of Chancery, by name and value.
  async cookies() {
    const cookies = await this.context.cookies()
    return cookies.map(({ name, value, httpOnly, secure, sameSite }) => ({ name, value, httpOnly, secure, sameSite }))
  }

  leave() {
    return this.context.close()
  }
}

export class Tab {
  constructor(site, page) {
    this.site = site
    this.page = page
    this.loginForm = page.locator('#login:not([hidden])')
    this.account = page.locator('#account:not([hidden])')
    this.problem = page.locator('#problem')
    this.complaint = page.locator('#problem:not(:empty)')
  }

  async load() {
    await this.page.goto(`${this.site.app}/`)
    await this.loginForm.or(this.account).waitFor()
  }

  // Sends the login form.
  async fillIn(password) {
    await this.page.getByLabel('Username').fill(USERNAME)
    await this.page.getByLabel('Password').fill(password)
    await this.page.getByRole('button', { name: 'Log in' }).click()
  }

  // Sends the form for a second factor, in whose field one can type at once.
  async sendCode(code) {
    const field = this.page.locator('#code [name=code]:focus')
    await field.fill(code)
    await field.press('Enter')
  }

  async logIn(password = PASSWORD) {
    await this.fillIn(password)
    await this.account.or(this.complaint).waitFor()
  }

  // What the API says to the page: who is calling; null when the page shows the login form instead.
  async callApi() {
    const answer = this.page.locator('#answer')
    await answer.evaluate((element) => (element.textContent = ''))
    await this.page.getByRole('button', { name: 'Call the API' }).click()
    await this.page.locator('#answer:not(:empty)').or(this.loginForm).waitFor()
    return (await this.isLoggedIn()) ? JSON.parse(await answer.textContent()) : null
  }

  async logOut() {
    await this.page.getByRole('button', { name: 'Log out' }).click()
    await this.loginForm.waitFor()
  }

  async isLoggedIn() {
    return this.account.isVisible()
  }
}

// Asks again and again until the answer is truthy, and returns it.
export async function until(condition, what) {
  const deadline = Date.now() + 20_000
  for (;;) {
    const answer = await condition()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`)
    await new Promise((resume) => setTimeout(resume, 50))
  }
}
