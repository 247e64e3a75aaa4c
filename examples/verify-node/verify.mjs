// Verifies an access token offline: against the issuer's public keys, without asking the issuer about the token.

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createRemoteJWKSet, jwtVerify } from 'jose'

// What Chancery may sign with, no HS256 among them: the public key would be its secret.
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']

// The claims of a good token. A service calls this with one key set for its whole life: that caches the keys, and
// fetches them again only when it meets an unknown one or they are old.
async function verify(keys, token, issuer, audience) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms, // and of those the one that the issuer's JWK names: never what the token's header says (RFC 8725)
    typ: 'at+jwt', // other kinds of token that the same keys may sign are no access tokens (RFC 9068 section 4)
    issuer,
    audience,
    requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti'],
  })
  return payload
}

const usage = 'usage: node verify.mjs ISSUER [TOKEN] [--audience AUDIENCE]   (without TOKEN: from standard input)'

async function main() {
  let parsed
  try {
    parsed = parseArgs({ allowPositionals: true, options: { audience: { type: 'string' } } })
  } catch (error) {
    return fail(2, `${error.message}\n${usage}`)
  }
  const [issuer, token, ...rest] = parsed.positionals
  if (!issuer || rest.length > 0) return fail(2, usage)

  try {
    const keys = createRemoteJWKSet(new URL(`${issuer.replace(/\/+$/, '')}/.well-known/jwks.json`))
    const claims = await verify(keys, (token ?? readFileSync(0, 'utf8')).trim(), issuer, parsed.values.audience ?? issuer)
    console.log(JSON.stringify(claims, null, 2))
  } catch (error) {
    fail(1, `refused: ${error.message || error.code}`) // wrong token, or the keys could not be fetched
  }
}

function fail(code, line) {
  console.error(line)
  process.exitCode = code
}

await main()
