// What an authenticator app shows (RFC 6238).

import { createHmac } from 'node:crypto'

// The code for a secret in base32, so many steps of 30 seconds from now.
export function totp(secret, later = 0) {
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + later))
  const digest = createHmac('sha1', base32(secret)).update(step).digest()
  const number = digest.readUInt32BE(digest.at(-1) & 15) & 0x7fff_ffff
  return String(number % 1_000_000).padStart(6, '0')
}

function base32(text) {
  const digits = [...text].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter))
  const bits = digits.map((digit) => digit.toString(2).padStart(5, '0')).join('')
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
}
