// `npm run soak`: see test/promise.

import { ensureServersOrExit } from './install-servers.ts'

ensureServersOrExit()
await import('../test/promise/soak.ts')
