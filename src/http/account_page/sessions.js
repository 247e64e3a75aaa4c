// One session, as somebody recognises it.

const BROWSERS = [['Edg', 'Edge'], ['OPR', 'Opera'], ['Firefox', 'Firefox'], ['Chrome', 'Chrome'], ['Safari', 'Safari']]
const SYSTEMS = [
  ['iPhone|iPad', 'iOS'],
  ['Android', 'Android'],
  ['Windows', 'Windows'],
  ['Mac OS X', 'macOS'],
  ['CrOS', 'ChromeOS'],
  ['Linux', 'Linux'],
]

export function sessionItem(session, end) {
  const item = document.createElement('li')
  const text = document.createElement('div')
  const device = document.createElement('div')
  const name = deviceName(session.user_agent ?? '')
  device.textContent = session.current ? `${name} (this one)` : name
  const details = document.createElement('p')
  details.className = 'details'
  const address = session.address ? `${session.address}, ` : ''
  details.append(`${address}signed in `, time(session.created_at), ', last used ', time(session.last_used_at))
  text.append(device, details)
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'Sign out'
  button.setAttribute('aria-label', `Sign out ${name}, ${session.current ? 'this one' : session.address ?? ''}`)
  button.addEventListener('click', end)
  item.append(text, button)
  return item
}

function deviceName(userAgent) {
  const find = (names) => names.find(([sign]) => new RegExp(sign).test(userAgent))?.[1]
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)]
  if (browser) return system ? `${browser} on ${system}` : browser
  return userAgent.slice(0, 60) || 'Unknown device'
}

function time(seconds) {
  const element = document.createElement('time')
  const date = new Date(seconds * 1000)
  element.dateTime = date.toISOString()
  element.textContent = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
  return element
}
