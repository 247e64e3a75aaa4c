// Verifies a token with jose against its key from three sources: the JWKS, an exported PEM and an exported JWK.
// Standard input: a JSON object with token, algorithm, issuer, jwks (its URL), pem and jwk. Prints the `sub` that each
// source yields.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../examples/verify-node/package.json', import.meta.url))
const { createRemoteJWKSet, importJWK, importSPKI, jwtVerify } = require('jose')

const { token, algorithm, issuer, jwks, pem, jwk } = JSON.parse(readFileSync(0, 'utf8'))
const keys = {
  jwks: createRemoteJWKSet(new URL(jwks)),
  pem: await importSPKI(pem, algorithm),
  jwk: await importJWK(jwk), // whose own `alg` is to do
}

const subjects = {}
for (const [source, key] of Object.entries(keys)) {
  const { payload } = await jwtVerify(token, key, { algorithms: [algorithm], issuer, audience: issuer, typ: 'at+jwt' })
  subjects[source] = payload.sub
}
console.log(JSON.stringify(subjects))
