// The account page, in Chromium and in Firefox. Their contexts refuse third-party cookies.

import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { AccountPage } from './support/account_page.js'
import { launchChromium, launchFirefox } from './support/browsers.js'
import { PASSWORD, USERNAME } from './support/server.js'
import { SAME_SITE, Site } from './support/site.js'

const NEW_PASSWORD = 'seven staples and no battery'
const TABLET = { userAgent: 'Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) Version/18.0 Safari/605.1.15' }

for (const [name, launch] of [['Chrome', launchChromium], ['Firefox', launchFirefox]]) {
  describe(`the account page in ${name}`, () => {
    let site, browser
    const visits = []

    const visit = async (options) => {
      const page = await AccountPage.open(site, browser, options)
      visits.push(page)
      return page
    }
    before(async () => {
      site = await Site.open(SAME_SITE, { 'accounts.sign_up': 'true' })
      browser = await launch()
    })
    after(async () => {
      await browser?.close()
      await site?.close()
    })
    afterEach(async () => {
      for (const page of visits.splice(0)) {
        await page.leave()
        assert.deepEqual(page.complaints, [])
      }
    })

    it('signs in with the keyboard alone, and out', async () => {
      const visitor = await visit()
      const { page, context } = visitor
      await page.keyboard.press('Tab')
      await page.keyboard.type(USERNAME)
      await page.keyboard.press('Tab')
      await page.keyboard.type(PASSWORD)
      await page.keyboard.press('Enter')
      await page.locator('#username').waitFor()
      assert.equal(await page.locator('#username').textContent(), USERNAME)
      assert.equal(await visitor.focused(), 'username')
      await page.locator('#sign-out').click()
      await page.getByText('You are signed out.').waitFor()
      assert.deepEqual(await context.cookies(), [])
    })

    it('says that a password is wrong', async () => {
      const visitor = await visit()
      await visitor.signIn('a wrong password')
      assert.match(await visitor.problem.textContent(), /^The username or password is wrong\.$/)
      assert.equal(await visitor.isShown('sign-in'), true)
    })

    it('says what is wrong within the form that was sent, until somebody types again', async () => {
      const visitor = await visit({ viewport: { width: 360, height: 640 } })
      await visitor.signIn()
      await visitor.shown('account')
      await visitor.send('password', { current_password: 'a wrong one', new_password: NEW_PASSWORD })
      const form = visitor.page.locator('#password-form')
      const [problem, field] = [form.getByRole('alert'), form.locator('[name=current_password]')]
      assert.notEqual(await problem.textContent(), '')
      assert.deepEqual([await visitor.isInView(problem), await visitor.isInView(field)], [true, true])
      await field.fill('another')
      assert.equal(await problem.textContent(), '')
    })

    it('shows sessions, and ends others', async () => {
      const [here, tablet] = [await visit(), await visit(TABLET)]
      await tablet.signIn()
      await here.signIn()
      await here.shown('account')
      const texts = await here.sessions.allTextContents()
      assert.match(texts[0], new RegExp(`${name}.*\\(this one\\).*127\\.0\\.0\\.1`))
      assert.ok(texts.some((text) => text.startsWith('Safari on iOS')), texts.join('\n'))
      await here.press('Sign out everywhere else')
      await here.page.getByText('You are signed out everywhere else.').waitFor()
      assert.equal(await here.sessions.count(), 1)
      assert.equal(await here.focused(), 'sessions-title')
      await tablet.load()
      assert.equal(await tablet.isShown('sign-in'), true)
      await here.sessions.getByRole('button').click()
      await here.shown('sign-in')
      assert.deepEqual(await here.context.cookies(), [])
    })

    it('follows another tab in which somebody has signed in anew', async () => {
      const visitor = await visit()
      await visitor.signIn()
      await visitor.shown('account')
      const tab = await AccountPage.of(site, visitor.context)
      await tab.signOut()
      await tab.signIn()
      await tab.shown('account')
      await visitor.send('enrol', { password: PASSWORD })
      await visitor.shown('totp-enrolling')
      await visitor.press('Cancel')
      await visitor.shown('totp-off')
      assert.equal(await visitor.page.locator('#secret').textContent(), '')
    })

    it('shows whoever has signed in in another tab, and does to them nothing that was meant for somebody else', async () => {
      const visitor = await visit()
      await visitor.signIn()
      await visitor.shown('account')
      const tab = await AccountPage.of(site, visitor.context)
      await tab.signOut()
      await tab.press('Sign up')
      await tab.send('sign-up', { username: 'heidi', password: PASSWORD })
      await tab.shown('account')
      await visitor.press('Sign out')
      await visitor.page.locator('#username', { hasText: 'heidi' }).waitFor()
      await tab.load()
      await tab.shown('account')
    })

    it('takes a new user in, a change of the password, and the deletion of the account', async () => {
      const visitor = await visit()
      const username = 'grace'
      await visitor.press('Sign up')
      await visitor.send('sign-up', { username, email: 'grace@example.com', password: 'password123' })
      assert.notEqual(await visitor.problem.textContent(), '')
      await visitor.send('sign-up', { username, password: PASSWORD })
      await visitor.shown('account')
      assert.match(await visitor.page.locator('#account').textContent(), /grace \(grace@example\.com\)/)
      const other = await visit(TABLET)
      await other.signIn(PASSWORD, username)
      await other.shown('account')

      await visitor.send('password', { current_password: 'a wrong one', new_password: NEW_PASSWORD })
      assert.notEqual(await visitor.problem.textContent(), '')
      await visitor.send('password', { current_password: PASSWORD, new_password: NEW_PASSWORD })
      assert.match(await visitor.notice.textContent(), /Your password is changed/)
      await other.press('Sign out everywhere else')
      await other.page.getByText('You are signed out. Sign in again.').waitFor()
      await other.signIn(PASSWORD, username)
      assert.notEqual(await other.problem.textContent(), '')
      await other.signIn(NEW_PASSWORD, username)
      await other.shown('account')

      await visitor.send('delete', { password: NEW_PASSWORD })
      assert.equal(await visitor.notice.textContent(), 'Your account is deleted.')
      await other.load()
      await other.signIn(NEW_PASSWORD, username)
      assert.notEqual(await other.problem.textContent(), '')
    })

    it('enrols an authenticator app by its QR code, and then asks for codes', async () => {
      const visitor = await visit()
      await visitor.signIn()
      await visitor.send('enrol', { password: PASSWORD })
      const app = await visitor.scan()
      assert.equal(app.totp.label, USERNAME)
      assert.equal(app.totp.secret.base32, (await visitor.page.locator('#secret').textContent()).replaceAll(' ', ''))
      await visitor.send('confirm', { otp: '000000' })
      assert.notEqual(await visitor.problem.textContent(), '')
      await visitor.send('confirm', { otp: await app.code(-1) })
      await visitor.shown('recovery-codes')
      assert.equal(await visitor.notice.textContent(), 'The second factor is on.')
      const codes = await visitor.page.locator('#codes li').allTextContents()
      assert.equal(new Set(codes).size, 10)
      await visitor.press('I have kept them')
      await visitor.shown('totp-on')

      const other = await visit(TABLET)
      await other.signIn()
      await other.shown('second-factor')
      const code = await app.code()
      await other.send('otp', { otp: code })
      await other.shown('account')
      await other.signOut()

      await other.signIn()
      await other.send('otp', { otp: code })
      assert.notEqual(await other.problem.textContent(), '', 'a code is good once')
      await other.send('recovery', { recovery_code: codes[0] })
      await other.shown('account')
      assert.match(await other.page.locator('#codes-left').textContent(), /9 recovery codes/)
      await other.signOut()
      await other.signIn()
      await other.send('recovery', { recovery_code: codes[0] })
      assert.notEqual(await other.problem.textContent(), '', 'a recovery code is good once')

      await visitor.send('disable', { password: PASSWORD, code: codes[1] })
      assert.equal(await visitor.notice.textContent(), 'The second factor is off, and you are signed out everywhere else.')
      assert.equal(await visitor.focused(), 'totp-title')
      await visitor.shown('totp-off')
    })

    it('has no serious fault for people who see or type otherwise, in light and dark', async () => {
      for (const colorScheme of ['light', 'dark']) {
        const visitor = await visit({ colorScheme })
        assert.deepEqual(await visitor.faults(), [], `sign-in, ${colorScheme}`)
        await visitor.press('Sign up')
        assert.deepEqual(await visitor.faults(), [], `sign-up, ${colorScheme}`)
        await visitor.press('Sign in')
        await visitor.signIn('a wrong password')
        assert.deepEqual(await visitor.faults(), [], `refused, ${colorScheme}`)
        await visitor.signIn()
        await visitor.shown('account')
        await visitor.page.locator('details').evaluateAll((all) => all.forEach((one) => (one.open = true)))
        assert.deepEqual(await visitor.faults(), [], `account, ${colorScheme}`)
        await visitor.send('enrol', { password: PASSWORD })
        await visitor.shown('totp-enrolling')
        assert.deepEqual(await visitor.faults(), [], `enrolment, ${colorScheme}`)
      }
    })
  })
}
