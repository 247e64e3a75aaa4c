// A long-running verifier with jose: verifies each token that comes as a line on standard input, with one key set for
// its whole life, and answers each with a line. Arguments: the JWKS's URL, the issuer.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const require = createRequire(new URL('../../examples/verify-node/package.json', import.meta.url))
const { createRemoteJWKSet, jwtVerify } = require('jose')

const [url, issuer] = process.argv.slice(2)
// For an unknown key jose fetches again at most every 30 s. In the tests a key waits seconds and not an hour before it
// signs: so here that is 1 s.
const keys = createRemoteJWKSet(new URL(url), { cooldownDuration: 1000 })
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']

for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { protectedHeader } = await jwtVerify(token, keys, { algorithms, issuer, audience: issuer, typ: 'at+jwt' })
    console.log(`good ${protectedHeader.kid}`)
  } catch (error) {
    console.log(`refused ${error.message}`)
  }
}
