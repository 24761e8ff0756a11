// The real command line as child processes, each with a data folder and a relay of its own choosing.

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '../../../test/wait.ts'

const LAUNCHER = join(import.meta.dirname, '../bin/twotick.mjs')
const RUN_MS = 25_000

export interface Running {
  readonly child: ChildProcess
  out(): string
  err(): string
  /** Resolves once the output holds it. */
  shows(text: string): Promise<void>
  /** The exit code, once it has ended. */
  ended(): Promise<number | null>
}

export interface Machine {
  /** Starts a command, with standard input open. */
  start(...args: string[]): Running
  /** Starts a command whose standard output is this file. */
  startInto(path: string, ...args: string[]): Running
  /** Runs a command to its end. */
  run(...args: string[]): Promise<{ code: number | null; out: string; err: string }>
  /** Where the profiles lie. */
  readonly dataHome: string
  remove(): void
}

/** One machine of one person or more: a data folder, and the relay that is the default there. */
export function createMachine(url: string): Machine {
  const dataHome = mkdtempSync(join(tmpdir(), 'twotick-cli-'))
  const env = { ...process.env, XDG_DATA_HOME: dataHome, TWOTICK_URL: url, NO_COLOR: '1' }
  const running = new Set<ChildProcess>()

  function start(...args: string[]): Running {
    return watch(spawn(process.execPath, [LAUNCHER, ...args], { env, timeout: RUN_MS }), args)
  }

  function startInto(path: string, ...args: string[]): Running {
    const file = openSync(path, 'w')
    const stdio: StdioOptions = ['pipe', file, 'pipe']
    const child = spawn(process.execPath, [LAUNCHER, ...args], { env, stdio, timeout: RUN_MS })
    closeSync(file)
    return watch(child, args)
  }

  function watch(child: ChildProcess, args: readonly string[]): Running {
    const ended = once(child, 'close').then(([code]) => code as number | null)
    running.add(child)
    void ended.then(() => running.delete(child))
    let out = ''
    let err = ''
    child.stdout?.on('data', (chunk) => (out += chunk))
    child.stderr?.on('data', (chunk) => (err += chunk))
    return {
      child,
      out: () => out,
      err: () => err,
      shows: async (text) => {
        const what = `${args.join(' ')} to show ${text}`
        await waitFor(() => (out + err).includes(text), { what, deadlineMs: RUN_MS })
      },
      ended: () => ended,
    }
  }

  return {
    start,
    startInto,
    dataHome,
    async run(...args) {
      const command = start(...args)
      command.child.stdin?.end()
      const code = await command.ended()
      return { code, out: command.out(), err: command.err() }
    },
    remove() {
      for (const child of running) child.kill('SIGKILL')
      rmSync(dataHome, { recursive: true, force: true })
    },
  }
}
