// `npm run bench:cost`: see bench/cost.ts.

import { ensureServersOrExit } from './install-servers.ts'

ensureServersOrExit()
await import('../bench/cost.ts')
