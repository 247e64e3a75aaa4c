// The page around session.js: a login form, or who is logged in.

import { Session } from './session.js'

const issuer = document.querySelector('meta[name=issuer]').content
const api = `${issuer}/userinfo` // in place of your own API: it takes the same Authorization header

const element = (id) => document.getElementById(id)
const session = new Session(issuer, show)

function show(user) {
  element('login').hidden = user !== null
  element('account').hidden = user === null
  element('username').textContent = user?.username ?? ''
  element('answer').textContent = ''
}

// Does something, and says so if it fails.
async function attempt(action) {
  element('problem').textContent = ''
  try {
    await action()
  } catch (error) {
    element('problem').textContent = error.code === 'login_required' ? 'You are logged out.' : error.message
  }
}

async function logIn() {
  const form = element('login')
  await session.login(Object.fromEntries(new FormData(form)))
  form.reset()
}

async function callApi() {
  const answer = await session.fetch(api)
  element('answer').textContent = JSON.stringify(await answer.json(), null, 2)
}

element('login').addEventListener('submit', (event) => {
  event.preventDefault()
  attempt(logIn)
})
element('call').addEventListener('click', () => attempt(callApi))
element('logout').addEventListener('click', () => attempt(() => session.logout()))

await attempt(() => session.restore())
show(session.user)
