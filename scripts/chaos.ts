// `npm run chaos`: see test/chaos/main.ts.

import { ensureServersOrExit } from './install-servers.ts'

ensureServersOrExit()
await import('../test/chaos/main.ts')
