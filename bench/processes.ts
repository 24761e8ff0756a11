// What processes have used of the machine, from /proc: CPU seconds and memory by part.

import { readdirSync, readFileSync } from 'node:fs'

const TICKS_PER_SECOND = 100

export interface Usage {
  readonly cpuSeconds: number
  /** Memory; what processes share counts once: Postgres' back ends share its buffers. */
  readonly memoryKiB: number
}

/** A part's name and the processes that it is made of now. */
export type Parts = Readonly<Record<string, readonly number[]>>

/** Use of each part so far. What its ended children have used is in it: Postgres' back ends end. */
export function usageOf(parts: Parts): Record<string, Usage> {
  return Object.fromEntries(
    Object.entries(parts).map(([name, pids]) => {
      const stats = pids.flatMap((pid) => statOf(pid) ?? [])
      const cpuSeconds = stats.reduce((sum, stat) => sum + stat.cpuSeconds, 0)
      const memoryKiB = pids.reduce((sum, pid) => sum + memoryOf(pid), 0)
      return [name, { cpuSeconds, memoryKiB }]
    }),
  )
}

/** The descendants of a process that run one of these commands, by the name given to it. */
export function descendants(root: number, names: Readonly<Record<string, string>>): Parts {
  const pids = readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
  const stats = new Map(pids.map((pid) => [pid, statOf(pid)]))
  const isBelow = (pid: number): boolean =>
    pid === root || (pid > 1 && isBelow(stats.get(pid)?.parent ?? 0))
  const parts: Record<string, number[]> = {}
  for (const [pid, stat] of stats) {
    const name = stat && names[stat.command]
    if (name !== undefined && isBelow(pid)) (parts[name] ??= []).push(pid)
  }
  return parts
}

/** undefined: the process is gone. */
function statOf(pid: number) {
  const text = readProc(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const command = text.slice(text.indexOf('(') + 1, text.lastIndexOf(')'))
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const at = (index: number) => fields[index] ?? 0
  return {
    command,
    parent: at(1),
    cpuSeconds: (at(11) + at(12) + at(13) + at(14)) / TICKS_PER_SECOND,
  }
}

function memoryOf(pid: number): number {
  const [, kib] = /^Pss:\s+([0-9]+) kB/m.exec(readProc(`/proc/${pid}/smaps_rollup`) ?? '') ?? []
  return Number(kib ?? 0)
}

/** undefined: the process is gone, or it is not ours to look into. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(code)) return undefined
    throw error
  }
}
