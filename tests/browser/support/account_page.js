// Somebody at the account page.

import assert from 'node:assert/strict'
import { AxeBuilder } from '@axe-core/playwright'
import jsQR from 'jsqr'
import { PNG } from 'pngjs'
import { Authenticator } from './authenticator.js'
import { PASSWORD, USERNAME } from './server.js'

export class AccountPage {
  complaints = []

  // In a new profile of a browser.
  static async open(site, browser, options = {}) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options })
    context.setDefaultTimeout(15_000)
    return AccountPage.of(site, context)
  }

  // In another tab.
  static async of(site, context) {
    const visit = new AccountPage(site, context, await context.newPage())
    await visit.load()
    return visit
  }

  constructor(site, context, page) {
    Object.assign(this, { site, context, page })
    this.notice = page.getByRole('status')
    this.problem = page.getByRole('alert')
    this.sessions = page.locator('#sessions li')
    page.on('console', (message) => message.type() === 'error' && this.hear(message.text()))
    page.on('pageerror', (error) => this.hear(error.message))
  }

  // Browsers report refused requests, too.
  hear(complaint) {
    if (!/status of 4\d\d/.test(complaint)) this.complaints.push(complaint)
  }

  async load() {
    await this.page.goto(`${this.site.issuer}/account/`)
    await this.shown('sign-in', 'account')
  }

  // Waits until one of these is to be seen.
  async shown(...ids) {
    await this.page.locator(ids.map((id) => `#${id}:not([hidden])`).join()).first().waitFor()
  }

  isShown(id) {
    return this.page.locator(`#${id}`).isVisible()
  }

  // The id of what the keyboard is at.
  focused() {
    return this.page.evaluate(() => document.activeElement.id)
  }

  // Whether all of it is to be seen without scrolling.
  isInView(locator) {
    return locator.evaluate((element) => {
      const { top, bottom } = element.getBoundingClientRect()
      return top >= 0 && bottom <= innerHeight
    })
  }

  // Fills a form, sends it, and waits until the page is done.
  async send(id, fields) {
    const form = this.page.locator(`#${id}-form`)
    const fold = form.locator('xpath=ancestor::details[not(@open)]/summary')
    if (await fold.count()) await fold.click()
    for (const [name, value] of Object.entries(fields)) await form.locator(`[name=${name}]`).fill(value)
    await form.locator('button:not([type])').click()
    await this.page.locator(`#${id}-form button[aria-busy]`).waitFor({ state: 'detached' })
  }

  async signIn(password = PASSWORD, username = USERNAME) {
    await this.send('sign-in', { username, password })
  }

  async signOut() {
    await this.page.locator('#sign-out').click()
    await this.shown('sign-in')
  }

  async press(name) {
    await this.page.getByRole('button', { name, exact: true }).click()
  }

  // Scans the QR code as it is to be seen on the screen, into an authenticator app.
  async scan() {
    const heard = this.complaints.length
    const { data, width, height } = PNG.sync.read(await this.page.screenshot({ fullPage: true }))
    this.complaints.length = heard // in Firefox the tool adds a style of its own, which the page's policy refuses
    const code = jsQR(new Uint8ClampedArray(data), width, height)
    assert.ok(code, 'there is a QR code on the screen')
    return new Authenticator(code.data)
  }

  // What is wrong for people who use a screen reader, a keyboard, or see colours badly.
  async faults() {
    const { violations } = await new AxeBuilder({ page: this.page }).analyze()
    const isSerious = ({ impact }) => ['serious', 'critical'].includes(impact)
    return violations.filter(isSerious).map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
  }

  leave() {
    return this.context.close()
  }
}
