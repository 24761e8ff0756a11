// The options of the commands: what is wrong with them is said in two lines, and nothing is begun.

import { parseArgs, type ParseArgsConfig } from 'node:util'

/** As `parseArgs`; for what it does not take, the process ends with code 2. */
export function readArguments<T extends ParseArgsConfig>(command: string, config: T) {
  try {
    return parseArgs(config)
  } catch (error) {
    return refuseArguments(command, (error as Error).message)
  }
}

/** Ends the process: `why`, and where it is told what there is. */
export function refuseArguments(command: string, why: string): never {
  console.error(`${why}\nnpm run ${command} -- --help says what there is`)
  process.exit(2)
}
