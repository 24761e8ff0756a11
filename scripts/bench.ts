// `npm run bench`: see bench/online.ts.

import { ensureServersOrExit } from './install-servers.ts'

ensureServersOrExit()
await import('../bench/online.ts')
