// The life of a service's process, from its environment to its exit code:
//
//   read config -> open the scope -> health server -> start -> (signal) -> close the scope -> exit
//
// Exit code 0: stopped as asked; 1: something failed; 2: the configuration is wrong. A second signal
// ends the process at once. Nothing else calls process.exit. `runOnce` is for what ends by itself.

import type { z } from 'zod'
import {
  ConfigError,
  type ConfigSchema,
  configHelp,
  printedConfig,
  readConfig,
  readLifecycle,
} from './config.ts'
import { serveHealth } from './health.ts'
import { createLog, type Logger } from './log.ts'
import { openScope, type OpenScope, type Scope } from './scope.ts'
import { stopTelemetry } from './telemetry.ts'
import { allocateYoung } from './young.ts'

export type Start<C, T> = (config: C, scope: Scope) => Promise<T>

/** Runs a service until a signal. `name` is how it is called in logs. */
export async function run<S extends ConfigSchema, T>(
  name: string,
  schema: S,
  start: Start<z.infer<S>, T>,
): Promise<void> {
  allocateYoung()
  const configured = readOrExplain(name, schema)
  if (configured === undefined) return
  const { config, life } = configured
  const log = createLog(name, life.log.level)
  const scope = openScope(name, { log, drainMs: life.drainMs })
  endOnBug(log)
  const stopped = nextSignal(log)

  log.info({ pid: process.pid, node: process.version }, 'starting')
  const isStarted = await begin(scope, stopped, async () => {
    if (life.health.listen !== undefined) {
      const health = await serveHealth(life.health.listen, scope.isReady)
      scope.defer('health', () => health.close())
      log.info({ port: health.port }, 'health is served')
    }
    await start(config, scope)
  })
  if (isStarted) await stopped

  log.info('stopping')
  const isClosed = await scope.close().then(
    () => true,
    () => false,
  )
  await stopTelemetry()
  log.info('stopped')
  process.exit(isStarted && isClosed ? 0 : 1)
}

/**
 * Runs a program that ends by itself, like a migration, with a service's configuration, log and exit
 * codes. A signal ends it where it is.
 */
export async function runOnce<S extends ConfigSchema>(
  name: string,
  schema: S,
  work: (config: z.infer<S>, log: Logger) => Promise<void>,
): Promise<void> {
  const configured = readOrExplain(name, schema)
  if (configured === undefined) return
  const log = createLog(name, configured.life.log.level)
  try {
    await work(configured.config, log)
  } catch (error) {
    log.fatal({ error }, 'failed')
    process.exitCode = 1
  }
}

/** Starts, unless a signal comes first: then what is open by then is closed like after a start. */
async function begin(scope: OpenScope, stopped: Promise<void>, open: () => Promise<void>) {
  try {
    await Promise.race([open(), stopped])
    return true
  } catch (error) {
    scope.log.fatal({ error }, 'could not start')
    return false
  }
}

/** The first SIGTERM or SIGINT; a second one ends the process at once. */
function nextSignal(log: Logger): Promise<void> {
  return new Promise((resolve) => {
    let count = 0
    const onSignal = (signal: NodeJS.Signals) => {
      count += 1
      log.info({ signal }, count === 1 ? 'signal' : 'second signal: ending at once')
      if (count > 1) process.exit(1)
      resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}

/** A bug ends the process: its state is not to be trusted. What is in flight settles elsewhere. */
function endOnBug(log: Logger): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'a bug ends the process')
    process.exit(1)
  })
}

function readOrExplain<S extends ConfigSchema>(name: string, schema: S) {
  try {
    if (process.argv.includes('--help')) {
      process.stdout.write(`${configHelp(name, schema)}\n`)
      return undefined
    }
    const config = readConfig(schema)
    if (process.argv.includes('--print-config')) {
      process.stdout.write(`${printedConfig(schema, process.env)}\n`)
      return undefined
    }
    return { config, life: readLifecycle() }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${name}: the configuration is wrong\n${error.message}\n`)
    process.exitCode = 2
    return undefined
  }
}
