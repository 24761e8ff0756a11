// `npm run promise`: see test/promise.

import { ensureServersOrExit } from './install-servers.ts'

ensureServersOrExit()
await import('../test/promise/main.ts')
