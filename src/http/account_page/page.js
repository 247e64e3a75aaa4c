// The account page: what is shown, and what each form and button does.

import { call, Refused } from './api.js'
import { sessionItem } from './sessions.js'

const VIEWS = ['sign-in', 'second-factor', 'sign-up', 'account']
const TOTP_VIEWS = ['totp-off', 'totp-enrolling', 'recovery-codes', 'totp-on']
const element = (id) => document.getElementById(id)
let mfaToken

// What a form does with its fields; the text that it returns is told when all went well.
const FORMS = {
  'sign-in-form': signIn,
  'otp-form': (code) => redeem(code),
  'recovery-form': (code) => redeem(code),
  'sign-up-form': signUp,
  'password-form': changePassword,
  'enrol-form': enrol,
  'confirm-form': confirmTotp,
  'codes-form': async (proof) => showCodes(await call('POST', 'account/totp/recovery-codes', proof)),
  'disable-form': disable,
  'delete-form': deleteAccount,
}
const BUTTONS = { 'sign-out': signOut, 'end-others': endOthers, 'codes-kept': leaveTotp, 'cancel-enrolment': leaveTotp }

async function signIn(fields) {
  try {
    await call('POST', 'session/login', fields)
  } catch (refused) {
    if (refused.code !== 'mfa_required') throw refused
    mfaToken = refused.mfaToken
    show('second-factor')
    return element('otp-form').elements.otp.focus()
  }
  await showAccount()
}

async function redeem(code) {
  await call('POST', 'session/login', { mfa_token: mfaToken, ...code })
  await showAccount()
}

async function signUp({ username, email, password }) {
  await call('POST', 'account', { username, password, ...(email && { email }) })
  await signIn({ username, password })
}

async function signOut() {
  await call('POST', 'session/logout')
  show('sign-in')
  return 'You are signed out.'
}

async function changePassword({ current_password, new_password }) {
  await call('PUT', 'account/password', { current_password, new_password })
  await showSessions()
  return 'Your password is changed, and you are signed out everywhere else.'
}

async function endOthers() {
  await call('DELETE', 'account/sessions')
  await showSessions()
  element('sessions-title').focus()
  return 'You are signed out everywhere else.'
}

async function endSession(session) {
  await call('DELETE', `account/sessions/${encodeURIComponent(session.sid)}`)
  if (session.current) show('sign-in')
  else {
    await showSessions()
    element('sessions-title').focus()
  }
  return 'That session has ended.'
}

async function enrol(proof) {
  const { secret, uri, qr_svg } = await call('POST', 'account/totp', proof)
  element('qr').src = `data:image/svg+xml,${encodeURIComponent(qr_svg)}`
  element('uri').href = uri
  element('secret').textContent = secret.match(/.{1,4}/g).join(' ')
  showOne(TOTP_VIEWS, 'totp-enrolling')
  element('confirm-form').elements.otp.focus()
}

async function confirmTotp(code) {
  await showCodes(await call('POST', 'account/totp/confirm', code))
  return 'The second factor is on.'
}

async function disable({ password, code }) {
  const proof = /^[\d\s]+$/.test(code) ? { otp: code } : { recovery_code: code }
  await call('POST', 'account/totp/disable', { password, ...proof })
  await Promise.all([showTotp(), showSessions()])
  element('totp-title').focus()
  return 'The second factor is off, and you are signed out everywhere else.'
}

async function deleteAccount(proof) {
  await call('POST', 'account/delete', proof)
  show('sign-in')
  return 'Your account is deleted.'
}

async function showCodes({ recovery_codes: codes }) {
  forgetSecrets()
  const items = codes.map((code) => Object.assign(document.createElement('li'), { textContent: code }))
  element('codes').replaceChildren(...items)
  element('download').href = `data:text/plain,${encodeURIComponent(`${codes.join('\n')}\n`)}`
  showOne(TOTP_VIEWS, 'recovery-codes')
  element('recovery-title').focus()
  await showSessions()
}

async function showTotp() {
  const { enabled, recovery_codes_left: left } = await call('GET', 'account/totp')
  element('codes-left').textContent = `You have ${left} recovery ${left === 1 ? 'code' : 'codes'} left.`
  showOne(TOTP_VIEWS, enabled ? 'totp-on' : 'totp-off')
  forgetSecrets()
}

// Nobody who comes to this computer later finds them in the page.
function forgetSecrets() {
  for (const id of ['codes', 'secret']) element(id).replaceChildren()
  for (const id of ['download', 'uri']) element(id).removeAttribute('href')
  element('qr').removeAttribute('src')
}

async function leaveTotp() {
  await showTotp()
  element('totp-title').focus()
}

async function showSessions() {
  const { sessions } = await call('GET', 'account/sessions')
  sessions.sort((one, other) => other.current - one.current) // this one first, then as they were used
  element('sessions').replaceChildren(...sessions.map((session) => sessionItem(session, () => run(() => endSession(session)))))
  element('end-others').hidden = sessions.length < 2
}

async function showAccount() {
  const { username, email } = await call('GET', 'session')
  element('username').textContent = username
  element('email').textContent = email ? ` (${email})` : ''
  for (const input of document.querySelectorAll('[autocomplete="username"][readonly]')) input.defaultValue = username
  await Promise.all([showSessions(), showTotp()])
  show('account')
}

function show(view) {
  const isFirst = VIEWS.every((one) => element(one).hidden)
  showOne(VIEWS, view)
  element('sign-out').hidden = view !== 'account'
  document.querySelectorAll('form').forEach((form) => form.reset())
  forgetSecrets()
  document.querySelectorAll('details').forEach((details) => (details.open = false))
  if (!isFirst) element(view).querySelector('[tabindex="-1"]').focus()
}

function showOne(views, shown) {
  for (const view of views) element(view).hidden = view !== shown
}

// Does something that somebody asked for, and tells how it went.
async function run(action, form) {
  const button = form && sender(form)
  if (button?.getAttribute('aria-busy') === 'true') return
  button?.setAttribute('aria-busy', 'true')
  hush()
  try {
    const told = await action()
    form?.reset()
    if (told) await tell('notice', told, form)
  } catch (error) {
    const isSignedOut = error instanceof Refused && error.code === 'login_required'
    if (isSignedOut) show('sign-in')
    await tell('problem', isSignedOut ? 'You are signed out. Sign in again.' : error.message, form)
  } finally {
    button?.removeAttribute('aria-busy')
  }
}

// Tells it in the form that was sent while that is to be seen, else below the title that has the focus, else at the top.
async function tell(id, text, form) {
  const message = element(id)
  const title = document.querySelector('h2:focus, h3:focus')
  if (form?.offsetParent) sender(form).before(message)
  else if (title) title.after(message)
  else document.querySelector('main').prepend(message)
  await new Promise((done) => setTimeout(done, 50)) // screen readers tell what changes in an element that they know
  message.textContent = text
  message.scrollIntoView({ block: 'nearest' })
}

function hush() {
  for (const id of ['notice', 'problem']) element(id).textContent = ''
}

function sender(form) {
  return form.querySelector('button:not([type])')
}

function wire() {
  for (const [id, act] of Object.entries(FORMS)) {
    const form = element(id)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      run(() => act(Object.fromEntries(new FormData(form))), form)
    })
    form.addEventListener('reset', () => reveal(form, false))
    form.querySelector('[data-reveal]')?.addEventListener('change', (event) => reveal(form, event.target.checked))
  }
  for (const [id, act] of Object.entries(BUTTONS)) element(id).addEventListener('click', () => run(act))
  for (const button of document.querySelectorAll('[data-show]')) {
    button.addEventListener('click', () => run(() => show(button.dataset.show)))
  }
  document.addEventListener('input', hush)
  document.addEventListener('invalid', hush, true) // it does not bubble
  element('no-account').hidden = document.documentElement.dataset.signUp !== 'true'
}

function reveal(form, shown) {
  for (const input of form.querySelectorAll('[autocomplete$="-password"]')) input.type = shown ? 'text' : 'password'
}

wire()
showAccount().catch((error) => {
  show('sign-in')
  if (error.code !== 'login_required') element('problem').textContent = error.message
})
