// axios for Chancery, and for an API that takes its access tokens. Both tokens are in these variables alone; the refresh token
// is in a cookie that no script can read.

import axios from 'axios'

const issuer = globalThis.document?.querySelector('meta[name=issuer]').content // none on a server, which calls nobody

let accessToken
let csrfToken
let refreshing
let loggedOut = () => {}

// Calls `listener` when the login turns out to have ended.
export function onLoggedOut(listener) {
  loggedOut = listener
}

// Your API. (Here it is Chancery's own /userinfo.)
export const api = axios.create({ baseURL: issuer })

api.interceptors.request.use((request) => {
  if (accessToken) request.headers.Authorization = `Bearer ${accessToken}`
  return request
})

// A refused access token has expired: get a new one, and ask once more.
api.interceptors.response.use(undefined, async (error) => {
  if (error.response?.status !== 401 || error.config.isRepeated) throw error
  await refresh()
  return api.request({ ...error.config, isRepeated: true })
})

// Chancery, with its cookie.
const chancery = axios.create({ baseURL: issuer, withCredentials: true })

chancery.interceptors.request.use((request) => {
  if (csrfToken) request.headers['X-CSRF-Token'] = csrfToken
  return request
})

chancery.interceptors.response.use(undefined, async (error) => {
  const { status } = error.response ?? {}
  if (status === 401) {
    accessToken = csrfToken = undefined
    loggedOut()
  }
  // Somebody has logged in anew in another tab: the cookie is of another session, and so must the CSRF token be.
  if (status !== 403 || error.config.isRepeated) throw error
  await whoIsLoggedIn()
  return chancery.request({ ...error.config, isRepeated: true })
})

async function whoIsLoggedIn() {
  const { data: user } = await chancery.get('/session')
  csrfToken = user.csrf_token
  return user
}

// Calls that fail at once share one refresh.
function refresh() {
  refreshing ??= chancery.post('/session/refresh').then(keep).finally(() => (refreshing = undefined))
  return refreshing
}

function keep({ data }) {
  accessToken = data.access_token
  csrfToken = data.csrf_token
}

// Who is logged in, when the page was loaded; null: nobody.
export async function restore() {
  try {
    const user = await whoIsLoggedIn()
    await refresh()
    return user
  } catch (error) {
    if (error.response?.status === 401) return null
    throw error
  }
}

// Who has logged in. Also fails where the browser does not keep the cookie.
export async function logIn(credentials) {
  await chancery.post('/session/login', credentials).then(keep)
  return whoIsLoggedIn()
}

export async function logOut() {
  await chancery.post('/session/logout')
  accessToken = csrfToken = undefined
}
