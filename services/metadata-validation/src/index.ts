// What tests start in their own process.

export { type Config, configSchema } from './config.ts'
export { start } from './start.ts'
