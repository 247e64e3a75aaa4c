// Debian's Chromium and Firefox, without a window.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium, firefox } from 'playwright-core'
import { temporaryFolder } from './process.js'

const CHROMIUM = {
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'].concat(
    ['--disable-background-networking', '--disable-component-update'],
  ),
}

// Its contexts are private windows: they refuse third-party cookies.
export function launchChromium() {
  return chromium.launch(CHROMIUM)
}

// An ordinary window, of a user who lets third-party cookies be or refuses them.
export async function launchProfile({ thirdPartyCookies }) {
  const folder = await temporaryFolder()
  const profile = { cookie_controls_mode: thirdPartyCookies ? 0 : 1, block_third_party_cookies: !thirdPartyCookies }
  await mkdir(join(folder, 'Default'))
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify({ profile }))
  return chromium.launchPersistentContext(folder, { ...CHROMIUM, ignoreHTTPSErrors: true })
}

// Over WebDriver BiDi, which is what an unpatched Firefox speaks.
export function launchFirefox() {
  return firefox.launch({ channel: 'moz-firefox', executablePath: '/usr/bin/firefox-esr' })
}
