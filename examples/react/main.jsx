// A login form, or who is logged in.

import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { api } from './api.js'
import { SessionProvider, useSession } from './session.jsx'

const fields = (form) => Object.fromEntries(new FormData(form))

function Page() {
  const { user } = useSession()
  const [problem, setProblem] = useState('')

  // Does something, and says so if it fails.
  const attempt = async (action) => {
    setProblem('')
    await action().catch((error) => setProblem(error.response?.data.error_description ?? error.message))
  }

  if (user === undefined) return <p>One moment …</p>
  return (
    <>
      {user ? <Account attempt={attempt} /> : <Login attempt={attempt} />}
      <p id="problem" role="alert">{problem}</p>
    </>
  )
}

function Login({ attempt }) {
  const { logIn } = useSession()
  const [mfaToken, setMfaToken] = useState() // of a password that was right, and that a code must follow

  const sendPassword = async (form) => {
    try {
      await logIn(fields(form))
    } catch (error) {
      const answer = error.response?.data
      if (answer?.error !== 'mfa_required') throw error
      setMfaToken(answer.mfa_token)
    } finally {
      form.elements.password.value = ''
    }
  }

  // The app's code is digits, a recovery code has letters, too.
  const sendCode = (form) => {
    const { code } = fields(form)
    const proof = /^[\d\s]+$/.test(code) ? { otp: code } : { recovery_code: code }
    return logIn({ mfa_token: mfaToken, ...proof })
  }

  const submit = (event) => {
    event.preventDefault()
    const form = event.target
    attempt(() => (mfaToken ? sendCode(form) : sendPassword(form)))
  }

  return mfaToken ? <CodeForm onSubmit={submit} /> : <PasswordForm onSubmit={submit} />
}

function PasswordForm({ onSubmit }) {
  return (
    <form id="login" onSubmit={onSubmit}>
      <label>Username <input name="username" autoComplete="username" required /></label>
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>
      <button>Log in</button>
    </form>
  )
}

function CodeForm({ onSubmit }) {
  return (
    <form id="code" onSubmit={onSubmit}>
      <label>
        Code that your app shows, or one of your recovery codes
        <input name="code" autoComplete="one-time-code" autoCapitalize="none" spellCheck="false" autoFocus required />
      </label>
      <button>Go on</button>
    </form>
  )
}

function Account({ attempt }) {
  const { user, logOut } = useSession()
  const [answer, setAnswer] = useState('')

  const call = async () => {
    setAnswer('')
    const { data } = await api.get('/userinfo')
    setAnswer(JSON.stringify(data, null, 2))
  }

  return (
    <section id="account">
      <h1>Hello, <span id="username">{user.username}</span></h1>
      <button onClick={() => attempt(call)}>Call the API</button>
      <pre id="answer">{answer}</pre>
      <button onClick={() => attempt(logOut)}>Log out</button>
    </section>
  )
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <SessionProvider>
      <Page />
    </SessionProvider>
  </StrictMode>,
)
