// The flows in Firefox, over http as the example's README has them.

import { launchFirefox } from './support/browsers.js'
import { flows } from './support/flows.js'
import { SAME_SITE_HTTP } from './support/site.js'

flows("a page on the issuer's site, in Firefox", SAME_SITE_HTTP, launchFirefox)
