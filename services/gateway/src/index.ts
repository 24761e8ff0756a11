// What tests start a gateway with.

export { type Config, configSchema } from './config.ts'
export { start } from './start.ts'
