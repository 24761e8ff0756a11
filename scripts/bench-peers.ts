// `npm run bench:peers`: see bench/peers.ts.

import { ensureServersOrExit } from './install-servers.ts'
import { findBinary } from './servers/binaries.ts'

ensureServersOrExit()
if (findBinary('mosquitto') === null) {
  console.error('mosquitto is not installed here: on Debian `apt-get install mosquitto`.')
  process.exit(1)
}
await import('../bench/peers.ts')
