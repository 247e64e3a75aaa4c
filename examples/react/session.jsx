// Who is logged in, for every component below: const { user, logIn, logOut } = useSession(). The first render knows nothing yet
// (user is undefined), on a server, too; so this also works with server-side rendering, as Next.js does it.

import { createContext, useContext, useEffect, useMemo, useState } from 'react'
import * as api from './api.js'

const Context = createContext(null)

export function useSession() {
  return useContext(Context)
}

export function SessionProvider({ children }) {
  const [user, setUser] = useState() // null: nobody
  const [problem, setProblem] = useState('')

  useEffect(() => {
    api.onLoggedOut(() => setUser(null))
    api.restore().then(setUser, (error) => setProblem(error.message))
  }, [])

  const session = useMemo(() => {
    const logIn = async (credentials) => setUser(await api.logIn(credentials))
    const logOut = () => api.logOut().then(() => setUser(null))
    return { user, logIn, logOut }
  }, [user])

  if (problem) return <p role="alert">{problem}</p>
  return <Context.Provider value={session}>{children}</Context.Provider>
}
