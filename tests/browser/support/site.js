// Pages and an issuer at the hosts of a test. Names under .localhost need no DNS. Browsers take app.example.localhost and
// auth.example.localhost for one site (example.localhost), and app.localhost and auth.localhost for two.

import { join } from 'node:path'
import { Front, files, proxy } from './front.js'
import { ROOT } from './process.js'
import { Server } from './server.js'

export const EXAMPLES = join(ROOT, 'examples')

// Where Chancery is in each case, where its pages are, and the settings that this takes.
export const SAME_ORIGIN = { app: 'example.localhost', auth: 'example.localhost', tls: true }
export const SAME_SITE = { app: 'app.example.localhost', auth: 'auth.example.localhost', tls: true }
export const SAME_SITE_HTTP = { ...SAME_SITE, tls: false, settings: { 'browser.insecure_cookies': 'true' } }
export const CROSS_SITE = {
  app: 'app.shop.localhost',
  auth: 'auth.example.localhost',
  tls: true,
  settings: { 'browser.same_site': 'none' },
}
export const PARTITIONED = { ...CROSS_SITE, settings: { 'browser.same_site': 'none', 'browser.partitioned': 'true' } }

export class Site {
  static async open({ app, auth, tls, settings }, more = {}) {
    const site = new Site()
    site.front = await Front.start({ tls })
    site.app = site.front.origin(app)
    site.issuer = site.front.origin(auth)
    const own = { 'issuer.url': site.issuer, 'browser.origins': site.app, 'server.cors_origins': site.app }
    try {
      site.server = await Server.start({ ...own, ...settings, ...more })
    } catch (error) {
      await site.front.stop()
      throw error
    }
    const issuer = proxy(site.server.port)
    const pages = site.example('spa')
    const both = (request, response, path) => (isChancerys(path) ? issuer : pages)(request, response, path)
    site.front.hosts.set(app, both).set(auth, app === auth ? both : issuer)
    return site
  }

  // The files of an example, with this issuer in place of the one that they name.
  example(name, issuer = 'http://auth.example.localhost:8080') {
    return files(join(EXAMPLES, name), { [issuer]: this.issuer })
  }

  async close() {
    await this.front.stop()
    await this.server.stop()
  }
}

function isChancerys(path) {
  return /^\/(session|account|userinfo|token|revoke|\.well-known)(\/|$)/.test(path)
}
