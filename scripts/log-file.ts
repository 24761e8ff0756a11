// A service's log of this run in .twotick/log, with its last lines at hand for an error message.

import { mkdirSync, openSync, renameSync, rmSync, existsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const TAIL_LINES = 15

export interface LogFile {
  readonly path: string
  write(line: string): void
  tail(): string
}

/** The path of a program's log, emptied for this run; that of the run before is kept as `.old`. */
export function logPath(folder: string, name: string): string {
  mkdirSync(join(folder, 'log'), { recursive: true, mode: 0o700 })
  const path = join(folder, 'log', `${name}.log`)
  if (existsSync(path)) {
    rmSync(`${path}.old`, { force: true })
    renameSync(path, `${path}.old`)
  }
  return path
}

export function openLog(folder: string, name: string): LogFile {
  const path = logPath(folder, name)
  const file = openSync(path, 'a', 0o600)
  const last: string[] = []
  return {
    path,
    write: (line) => {
      writeSync(file, `${line}\n`)
      last.push(line)
      if (last.length > TAIL_LINES) last.shift()
    },
    tail: () => last.join('\n'),
  }
}
