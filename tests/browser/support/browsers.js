// Debian's Chromium and Firefox, without a window.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { chromium, firefox } from 'playwright-core'

export function launchChromium(...more) {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync']
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [...args, '--disable-background-networking', '--disable-component-update', ...more],
  })
}

// Over WebDriver BiDi, which is what an unpatched Firefox speaks.
export function launchFirefox() {
  return firefox.launch({ channel: 'moz-firefox', executablePath: '/usr/bin/firefox-esr' })
}
