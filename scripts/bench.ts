// `npm run bench`: see bench/bench.ts.

import { ensureServersOrExit } from './install-servers.ts'

ensureServersOrExit()
await import('../bench/bench.ts')
