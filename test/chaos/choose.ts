// Which faults a run draws from: all, or those that `--faults` names; what this machine cannot do is
// skipped, and said so.

import type { Fault } from './fault.ts'
import { FAULTS } from './faults/index.ts'

export interface Chosen {
  readonly faults: readonly Fault[]
  /** What is to be told of it. */
  readonly notes: readonly string[]
}

export async function chooseFaults(named: string | undefined): Promise<Chosen> {
  const wanted = named === undefined ? FAULTS.filter(({ weight }) => weight !== 0) : byName(named)
  const faults: Fault[] = []
  const notes: string[] = []
  for (const fault of wanted) {
    const lacking = await fault.lacks?.()
    if (lacking === undefined) faults.push(fault)
    else notes.push(`skipped: ${fault.name} (${lacking})`)
  }
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
    if (found.length === 0) throw new Error(`no fault is named "${name}": --list has them all`)
    return found.map((fault) => ({ ...fault, weight: fault.weight || 1 }))
  })
}
