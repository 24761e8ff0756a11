// The process: `node services/metadata-validation/src/main.ts`.

import { run } from '@twotick/chassis'
import { configSchema } from './config.ts'
import { start } from './start.ts'

await run('metadata-validation', configSchema, start)
