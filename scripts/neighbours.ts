// `npm run neighbours`: see test/promise.

import { ensureServersOrExit } from './install-servers.ts'

ensureServersOrExit()
await import('../test/promise/neighbours.ts')
