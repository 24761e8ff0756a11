import { run } from '@twotick/chassis'
import { configSchema } from './config.ts'
import { start } from './start.ts'

await run('gateway', configSchema, start)
