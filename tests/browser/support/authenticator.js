// An authenticator app (RFC 6238).

import { URI } from 'otpauth'
import { PASSWORD } from './server.js'
import { until } from './visitor.js'

const STEP = 30_000
// What must be left of a step for the codes around it to be good until they are typed.
const ENOUGH = 10_000

export class Authenticator {
  // With what a QR code says.
  constructor(uri) {
    this.totp = URI.parse(uri)
  }

  // The second factor, from now on, of who is logged in at this page; `used` is a code that works no more.
  static async enrol(page, issuer) {
    const { uri } = await page.evaluate(post, { issuer, path: '/account/totp', password: PASSWORD })
    const app = new Authenticator(uri)
    app.used = await app.code(-1)
    const confirmed = await page.evaluate(post, { issuer, path: '/account/totp/confirm', otp: app.used })
    app.recoveryCodes = confirmed.recovery_codes
    return app
  }

  // The code of this step, of the one before (-1) or of the one after (1): all three are taken.
  async code(step = 0) {
    await until(() => Date.now() % STEP < STEP - ENOUGH, 'a step has begun')
    return this.totp.generate({ timestamp: Date.now() + step * STEP })
  }
}

// In the page: a request of whoever is logged in.
async function post({ issuer, path, ...body }) {
  const { csrf_token } = await (await fetch(`${issuer}/session`, { credentials: 'include' })).json()
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token }
  const options = { method: 'POST', credentials: 'include', headers, body: JSON.stringify(body) }
  const answer = await fetch(issuer + path, options)
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}
