// The flows in Chromium, with pages on the issuer's origin, on its site, and on another one.

import { launchChromium } from './support/browsers.js'
import { flows } from './support/flows.js'
import { PARTITIONED, SAME_ORIGIN, SAME_SITE } from './support/site.js'

flows("a page on the issuer's origin", SAME_ORIGIN, launchChromium)
flows("a page on the issuer's site", SAME_SITE, launchChromium)
flows('a page on another site', PARTITIONED, launchChromium)
