// envelope-store: mailboxes, their entries, cursors and senders.

import { run } from '@twotick/chassis'
import { configSchema } from './config.ts'
import { start } from './start.ts'

await run('envelope-store', configSchema, start)
