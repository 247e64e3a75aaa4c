// A login at Chancery, for any page; nothing else is needed. The refresh token is in a cookie that no script can read. The
// access token and the CSRF token are in this object alone, and go with the page; restore() gets new ones after a reload.
// Tabs share the cookie and need not know of each other: the server lets two of them refresh at once.

// What the server refused. `code` is the answer's `error`: invalid_grant for a wrong password, login_required when nobody
// is logged in any more. The rest of the answer is in `answer`.
export class SessionError extends Error {
  constructor(answer) {
    super(answer.error_description ?? answer.error)
    this.code = answer.error
    this.answer = answer
  }
}

const COOKIE_REFUSED = {
  error: 'cookie_refused',
  error_description: 'This browser did not keep the cookie of the login: it refuses the cookies of other sites.',
}

export class Session {
  user = null // who is logged in, as GET /session tells; null: nobody
  #issuer
  #changed
  #accessToken
  #csrfToken
  #staleAt = 0
  #refreshing

  // `changed` is called with `user` whenever somebody is logged in or out.
  constructor(issuer, changed = () => {}) {
    this.#issuer = issuer
    this.#changed = changed
  }

  // Takes up the login of the cookie, when the page was loaded. Leaves `user` null when there is none.
  async restore() {
    if (await this.#recognize()) await this.refresh().catch(unlessLoggedOut)
  }

  // `credentials` are { username, password }, or what else POST /session/login takes.
  async login(credentials) {
    const headers = { 'Content-Type': 'application/json' }
    const answer = await this.#post('/session/login', headers, JSON.stringify(credentials))
    this.#keep(await goodAnswer(answer))
    if (!(await this.#recognize())) throw new SessionError(COOKIE_REFUSED)
  }

  async logout() {
    await goodAnswer(await this.#prove('/session/logout'))
    this.#end()
  }

  // As window.fetch, with the access token: renewed when it is about to expire, and once more when it is refused.
  async fetch(url, options) {
    if (Date.now() >= this.#staleAt) await this.refresh()
    const answer = await this.#authorized(url, options)
    if (answer.status !== 401) return answer
    await this.refresh()
    return this.#authorized(url, options)
  }

  // Gets a new access token. Whoever asks while that is under way waits for the same one.
  refresh() {
    this.#refreshing ??= this.#exchange().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  async #exchange() {
    const answer = await this.#prove('/session/refresh')
    if (answer.status === 401) this.#end()
    this.#keep(await goodAnswer(answer))
  }

  // Asks whose the cookie is.
  async #recognize() {
    const answer = await fetch(`${this.#issuer}/session`, { credentials: 'include' })
    if (answer.status === 401) return this.#end()
    this.user = await goodAnswer(answer)
    this.#csrfToken = this.user.csrf_token
    this.#changed(this.user)
    return true
  }

  // A POST with the CSRF token. When somebody has logged in anew in another tab, the cookie is of another session, and so
  // must the CSRF token be.
  async #prove(path) {
    const send = () => this.#post(path, { 'X-CSRF-Token': this.#csrfToken ?? '' })
    const answer = await send()
    if (answer.status !== 403) return answer
    return (await this.#recognize()) ? send() : answer
  }

  #post(path, headers, body) {
    return fetch(this.#issuer + path, { method: 'POST', credentials: 'include', headers, body })
  }

  #authorized(url, options = {}) {
    const headers = new Headers(options.headers)
    // Where it is a cookie itself (browser.access_cookie), the caller says credentials: 'include' instead.
    if (this.#accessToken) headers.set('Authorization', `Bearer ${this.#accessToken}`)
    return fetch(url, { ...options, headers })
  }

  #keep(answer) {
    this.#accessToken = answer.access_token
    this.#csrfToken = answer.csrf_token
    this.#staleAt = Date.now() + answer.expires_in * 900 // a tenth before its end
  }

  #end() {
    const wasLoggedIn = this.user !== null
    this.user = this.#accessToken = this.#csrfToken = null
    this.#staleAt = 0
    if (wasLoggedIn) this.#changed(null)
    return false
  }
}

async function goodAnswer(answer) {
  const body = await answer.json()
  if (!answer.ok) throw new SessionError(body)
  return body
}

function unlessLoggedOut(error) {
  if (error.code !== 'login_required') throw error
}
