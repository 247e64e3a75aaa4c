// The page around session.js: a login form, one for the code of a second factor, or who is logged in.

import { Session } from './session.js'

const issuer = document.querySelector('meta[name=issuer]').content
const api = `${issuer}/userinfo` // in place of your own API: it takes the same Authorization header

const element = (id) => document.getElementById(id)
const fields = (form) => Object.fromEntries(new FormData(form))
const session = new Session(issuer, show)
let mfaToken // of a password that was right, and that a code must follow

function show(user) {
  element('login').hidden = user !== null
  element('code').hidden = true
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
  try {
    await session.login(fields(form))
  } catch (error) {
    if (error.code !== 'mfa_required') throw error
    mfaToken = error.answer.mfa_token
    form.hidden = true
    element('code').hidden = false
    element('code').elements.code.focus()
  } finally {
    form.elements.password.value = ''
  }
}

// The app's code is digits, a recovery code has letters, too.
async function sendCode() {
  const { code } = fields(element('code'))
  const proof = /^[\d\s]+$/.test(code) ? { otp: code } : { recovery_code: code }
  await session.login({ mfa_token: mfaToken, ...proof })
  element('code').reset()
}

async function callApi() {
  const answer = await session.fetch(api)
  element('answer').textContent = JSON.stringify(await answer.json(), null, 2)
}

function onSubmit(id, action) {
  element(id).addEventListener('submit', (event) => {
    event.preventDefault()
    attempt(action)
  })
}

onSubmit('login', logIn)
onSubmit('code', sendCode)
element('call').addEventListener('click', () => attempt(callApi))
element('logout').addEventListener('click', () => attempt(() => session.logout()))

await attempt(() => session.restore())
show(session.user)
