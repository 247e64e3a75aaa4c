// A login form, or who is logged in.

import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { api } from './api.js'
import { SessionProvider, useSession } from './session.jsx'

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

  const submit = (event) => {
    event.preventDefault()
    const credentials = Object.fromEntries(new FormData(event.target))
    attempt(() => logIn(credentials))
  }

  return (
    <form id="login" onSubmit={submit}>
      <label>Username <input name="username" autoComplete="username" required /></label>
      <label>Password <input name="password" type="password" autoComplete="current-password" required /></label>
      <button>Log in</button>
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
