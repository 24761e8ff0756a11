import { run } from '@twotick/chassis'
import { configSchema } from './config.ts'
import { letHeapGrow } from './heap.ts'
import { start } from './start.ts'

letHeapGrow()
await run('delivery-fanout', configSchema, start)
