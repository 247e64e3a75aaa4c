// An authenticator app (RFC 6238).

import { URI } from 'otpauth'
import { until } from './visitor.js'

const STEP = 30_000
// What must be left of a step for the codes around it to be good until they are typed.
const ENOUGH = 10_000

export class Authenticator {
  // With what a QR code says.
  constructor(uri) {
    this.totp = URI.parse(uri)
  }

  // The code of this step, of the one before (-1) or of the one after (1): all three are taken.
  async code(step = 0) {
    await until(() => Date.now() % STEP < STEP - ENOUGH, 'a step has begun')
    return this.totp.generate({ timestamp: Date.now() + step * STEP })
  }
}
