// Which faults a run draws from: all, or those that `--faults` names; without root, what needs it is
// skipped, and said so.

import type { Fault } from './fault.ts'
import { FAULTS } from './faults/index.ts'

export function chooseFaults(named: string | undefined, isRoot: boolean) {
  const wanted = named === undefined ? FAULTS.filter(({ weight }) => weight !== 0) : byName(named)
  const faults = wanted.filter(({ needs }) => needs === undefined || isRoot)
  const notes = wanted
    .filter((fault) => !faults.includes(fault))
    .map(({ name, needs }) => `skipped: ${name} (needs ${needs})`)
  return { faults, notes }
}

/** `none`, or names between commas, each of which may end in * for all that begin so. */
function byName(named: string): Fault[] {
  if (named === 'none') return []
  return named.split(',').flatMap((text) => {
    const name = text.trim()
    const found = name.endsWith('*')
      ? FAULTS.filter((fault) => fault.name.startsWith(name.slice(0, -1)))
      : FAULTS.filter((fault) => fault.name === name)
    if (found.length === 0) throw new Error(`no fault is named ${name}: see --list`)
    return found
  })
}
