// Chancery's routes for pages. The session is in an HttpOnly cookie; what shows that a request is this page's own is here.

const BASE = new URL('../', import.meta.url)
let csrfToken, person

// An answer that is no success.
export class Refused extends Error {
  constructor(response, answer) {
    super(explain(response, answer))
    this.code = answer.error
    this.mfaToken = answer.mfa_token
  }
}

// The JSON that a route answers. Where another tab has signed in anew, the token is not this session's any more; where that
// was somebody else, what was asked for is not theirs, and the page shows their account instead.
export async function call(method, path, body) {
  const known = csrfToken
  try {
    return await ask(method, path, body)
  } catch (refused) {
    if (refused.code !== 'access_denied' || !known) throw refused
    const shown = person
    await ask('GET', 'session/csrf')
    if (csrfToken === known) throw refused
    await ask('GET', 'session')
    if (person !== shown) {
      location.reload()
      return new Promise(() => {}) // until then
    }
    return ask(method, path, body)
  }
}

async function ask(method, path, body) {
  const headers = { 'Content-Type': 'application/json' }
  if (csrfToken) headers['X-CSRF-Token'] = csrfToken
  const request = { method, headers, body: body && JSON.stringify(body), cache: 'no-store' }
  const response = await fetch(new URL(path, BASE), request).catch(() => {
    throw new Error('There is no connection. Try again.')
  })
  const answer = await response.json().catch(() => ({}))
  if (!response.ok) throw new Refused(response, answer)
  csrfToken = answer.csrf_token ?? csrfToken
  if (path === 'session') person = answer.sub
  return answer
}

function explain(response, { error, error_description: description }) {
  const { issuer } = document.documentElement.dataset
  if (error === 'access_denied' && new URL(issuer).origin !== location.origin) {
    return `Open this page at ${issuer.replace(/\/$/, '')}/account/.`
  }
  if (error === 'too_many_requests') {
    return `${sentence(description.split(';')[0])} Try again in ${duration(Number(response.headers.get('Retry-After')))}.`
  }
  if (response.status >= 500) return 'This does not work just now. Try again in a moment.'
  if (!description) return `Something went wrong (${response.status}).`
  return sentence(description)
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`
}

function duration(seconds) {
  const [count, unit] = seconds < 90 ? [seconds || 1, 'second'] : [Math.ceil(seconds / 60), 'minute']
  return new Intl.NumberFormat('en', { style: 'unit', unit, unitDisplay: 'long' }).format(count)
}
