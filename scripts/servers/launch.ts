// One server process of ours: launched unprivileged, ready when it says so in its log, and never
// outliving us. Readiness is read from the log and not by connecting, because on a port that
// someone else took in between a connection would find their server.
//
// Three nets against orphans: `stop`, a hook at our own exit, and for a SIGKILL, which runs no hook,
// the tether.

import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Tether, tethered } from './tether.ts'

const READY_MS = 60_000
const STOP_MS = 10_000
const KILLED_MS = 30_000
const KEPT_LOG_CHARS = 4_000

export interface ServerSpec extends Tether {
  name: string
  command: string
  args: string[]
  /** What the server logs once it serves. */
  readyLine: string
  /** The signal that stops it in an orderly way. */
  stopSignal: NodeJS.Signals
  /** Beside PATH, LC_ALL and TZ. */
  env?: Record<string, string> | undefined
  /** A file that gets its log; without it only the last lines are kept, for error messages. */
  logFile?: string | undefined
}

export interface ServerProcess {
  readonly pid: number
  /** Stops it in an orderly way, by force after 10 s. Nothing to do if it is not running. */
  stop(): Promise<void>
  /** kill -9 of the process and all its children. */
  kill(): Promise<void>
  /** SIGSTOP to the process and all its children: connections stay open, nothing answers. */
  pause(): void
  /** SIGCONT after `pause`. */
  resume(): void
  /** Starts it again on the same port and data, after stopping it if it is running. */
  restart(): Promise<void>
}

interface Running {
  child: ChildProcess
  pid: number
  exited: Promise<void>
}

const running = new Set<Running>()
process.on('exit', () => {
  for (const { pid } of running) signalTree(pid, 'SIGKILL')
})

/** Starts a server and resolves once it serves; rejects with the end of its log if it does not. */
export async function launch(spec: ServerSpec): Promise<ServerProcess> {
  let current = await begin(spec)
  const isRunning = () => running.has(current)
  const end = async (signal: () => void) => {
    if (!isRunning()) return
    signal()
    await current.exited
  }
  const kill = async () => {
    if (!isRunning()) return
    const family = signalTree(current.pid, 'SIGKILL')
    // Orphans take a moment to die, and hold what a restart needs (Postgres' shared memory).
    const deadline = performance.now() + KILLED_MS
    while (family.some(isAlive)) {
      if (performance.now() > deadline) throw new Error(`${spec.name} does not die of SIGKILL`)
      await sleep(1)
    }
    await current.exited
  }
  const stop = async () => {
    if (!isRunning()) return
    const force = setTimeout(() => signalTree(current.pid, 'SIGKILL'), STOP_MS)
    await end(() => {
      current.child.kill(spec.stopSignal)
      signalTree(current.pid, 'SIGCONT')
    })
    clearTimeout(force)
  }
  return {
    get pid() {
      return current.pid
    },
    stop,
    kill,
    pause: () => signalTree(current.pid, 'SIGSTOP'),
    resume: () => signalTree(current.pid, 'SIGCONT'),
    restart: async () => {
      await stop()
      current = await begin(spec)
    },
  }
}

async function begin(spec: ServerSpec): Promise<Running> {
  const child = spawn(...tethered(spec.command, spec.args, spec), {
    // A process group of its own: Ctrl-C in the terminal is for us, who stop things in order.
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', ...spec.env },
  })
  const log = spec.logFile === undefined ? null : openSync(spec.logFile, 'a', 0o600)
  let tail = ''
  const ready = Promise.withResolvers<undefined>()
  const onText = (text: Buffer) => {
    if (log !== null) writeSync(log, text)
    tail = (tail + text.toString()).slice(-KEPT_LOG_CHARS)
    if (tail.includes(spec.readyLine)) ready.resolve(undefined)
  }
  child.stdout.on('data', onText)
  child.stderr.on('data', onText)

  const exited = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      ready.reject(new Error(`${spec.name} could not be started`, { cause: error }))
      resolve()
    })
    child.once('close', (code, signal) => {
      running.delete(one)
      if (log !== null) closeSync(log)
      ready.reject(
        new Error(`${spec.name} ended (${signal ?? code}) before it was ready:\n${tail}`),
      )
      resolve()
    })
  })
  const one: Running = { child, pid: child.pid ?? 0, exited }
  if (child.pid !== undefined) running.add(one)

  const late = setTimeout(() => {
    ready.reject(new Error(`${spec.name} was not ready within ${READY_MS / 1000} s:\n${tail}`))
    signalTree(one.pid, 'SIGKILL')
  }, READY_MS)
  try {
    await ready.promise
    return one
  } finally {
    clearTimeout(late)
  }
}

/** Signals a process and all that descend from it: Postgres is a family, each in its own group. */
function signalTree(pid: number, signal: NodeJS.Signals): number[] {
  if (pid <= 0) return []
  // Stopped, it begets no more. And all are found before one is killed: an orphan is nobody's child.
  if (signal !== 'SIGCONT') signalOne(pid, 'SIGSTOP')
  const family = [pid, ...descendants(pid)]
  for (const one of family) signalOne(one, signal)
  return family
}

function signalOne(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function descendants(root: number): number[] {
  const parentOf = new Map<number, number>()
  for (const entry of existsSync('/proc/self/stat') ? readdirSync('/proc') : []) {
    const pid = Number(entry)
    if (Number.isInteger(pid)) parentOf.set(pid, readStat(pid).parent)
  }
  const found = [root]
  for (const pid of found) {
    for (const [child, itsParent] of parentOf) if (itsParent === pid) found.push(child)
  }
  return found.slice(1)
}

/** Neither gone nor a zombie that only waits to be counted. */
function isAlive(pid: number): boolean {
  return !['gone', 'Z', 'X'].includes(readStat(pid).state)
}

function readStat(pid: number): { state: string; parent: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state = '', itsParent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(itsParent) }
  } catch (error) {
    // It ended while we looked.
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return { state: 'gone', parent: -1 }
    }
    throw error
  }
}
