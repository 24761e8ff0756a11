// `npm start`: the whole relay on this machine. Private servers with their data in .twotick/, unless
// URLs are given; then the five services, each a process; then what to type for a first
// conversation. Restarts nothing. Ctrl-C stops the services first, the servers last.

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openScope, type OpenScope } from '@twotick/chassis'
import { ensureServers } from './install-servers.ts'
import { openLog } from './log-file.ts'
import { claimFolder, refuseTakenPort, secretFiles } from './running.ts'
import { DIRECTORY_ROLE, STORE_ROLE, withRole } from './servers/database.ts'
import { startServers } from './start-servers.ts'
import { createServiceProcess, serviceEnvironments, SERVICES, stopServices } from './services.ts'

const ROOT = join(import.meta.dirname, '..')
const STOP_MS = 30_000
const PORT = 8700
const HELP = 'see  npm start -- --help'

let began = performance.now()
const scope = openScope('start', { drainMs: STOP_MS })
stopOnSignals(scope)
try {
  await start(readPort(), join(ROOT, '.twotick'))
} catch (error) {
  if (!scope.stopping.aborted) console.error(`\n${(error as Error).message}`)
  await end(scope.stopping.aborted ? 0 : 1)
}

async function start(port: number, folder: string): Promise<void> {
  ensureServers()
  began = performance.now()
  scope.defer('folder', claimFolder(folder, port))
  await refuseTakenPort(port)
  console.log(`twotick in ${folder}`)

  const { databaseUrl, natsUrl, redisUrl } = await startServers(folder, scope, say)
  const environments = await serviceEnvironments({
    ...secretFiles(folder),
    storeUrl: withRole(databaseUrl, STORE_ROLE),
    directoryUrl: withRole(databaseUrl, DIRECTORY_ROLE),
    natsUrl,
    redisUrl,
    gatewayListen: `127.0.0.1:${port}`,
    logLevel: 'info',
  })
  // Whoever stops the relay on their own machine does not wait for devices to leave one by one.
  environments.gateway['TWOTICK_GOODBYE_MS'] = '200'
  // Whoever has their own Jaeger listen may see everything, too.
  if (process.env['OTEL_EXPORTER_OTLP_ENDPOINT'])
    environments.gateway['TWOTICK_TRACE_ACCOUNTS'] = '*'

  const starting = SERVICES.map((name) => {
    const log = openLog(folder, name)
    return { log, process: createServiceProcess(name, environments[name], log.write) }
  })
  scope.defer('services', () => stopServices(starting.map(({ process }) => process)))
  await Promise.all(
    starting.map(async ({ process, log }) => {
      await process.start().catch((error: Error) => {
        throw new Error(`${error.message}\n${log.tail()}\n(${log.path})`, { cause: error })
      })
      say(process.name, process.name === 'gateway' ? `ws://127.0.0.1:${port}` : '')
      void process.exited().then((how) => {
        if (!scope.stopping.aborted) console.error(`${process.name} ended (${how}): ${log.path}`)
      })
    }),
  )
  sayWhatNext(port)
}

/** One line for what has become ready. */
function say(name: string, where: string): void {
  if (scope.stopping.aborted) return
  console.log(`  ${name.padEnd(20)} ready ${seconds().padStart(6)}  ${where}`.trimEnd())
}

function sayWhatNext(port: number): void {
  if (scope.stopping.aborted) return
  const url = port === PORT ? '' : ` --url ws://127.0.0.1:${port}`
  console.log(`
Ready in ${seconds()}; logs in .twotick/log; Ctrl-C stops it all. In a second terminal:

  npx twotick${url} register alice
  npx twotick${url} register bob
  npx twotick${url} --as alice send bob "Hello, Bob"
  npx twotick${url} --as bob listen
`)
}

function seconds(): string {
  return `${((performance.now() - began) / 1_000).toFixed(1)} s`
}

function readPort(): number {
  const given = portOption() ?? process.env['TWOTICK_PORT'] ?? PORT
  const port = Number(given)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new Error(`"${given}" is no port: ${HELP}`)
}

function portOption(): string | undefined {
  try {
    return parseArgs({ options: { port: { type: 'string' } } }).values.port
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${HELP}`, { cause: error })
  }
}

function stopOnSignals({ stopping }: OpenScope): void {
  const stop = () => {
    if (stopping.aborted) process.exit(1) // a second one: at once, whatever is left undone
    console.log('\nStopping …')
    void end(0)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop)
  // bootstrap.mjs holds the other end: if it is killed, nobody else could end us.
  process.on('disconnect', stop)
  process.channel?.unref()
}

async function end(code: number): Promise<never> {
  await scope.close().catch((error: AggregateError) => {
    code = 1
    for (const cause of error.errors) console.error(cause)
  })
  process.exit(code)
}
