// The same patch for what vitest loads, which does not come through Node's loader.

import { join } from 'node:path'
import type { Plugin } from 'vitest/config'
import { MUTANTS } from './mutants.ts'
import { mutate } from './mutant.ts'

const ROOT = join(import.meta.dirname, '../..')

/** Breaks the source of the mutant that `MUTANT` names, if it names one. */
export function mutating(): Plugin {
  const mutant = MUTANTS.find(({ name }) => name === process.env['MUTANT'])
  return {
    name: 'mutating',
    enforce: 'pre',
    transform(code: string, id: string) {
      if (!mutant || id !== join(ROOT, mutant.file)) return undefined
      return { code: mutate(mutant, code), map: null }
    },
  }
}
