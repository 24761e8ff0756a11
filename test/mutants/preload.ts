// `MUTANT=<name> node --import ./test/mutants/preload.ts …`: loads one source with that mutant's patch.

import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MUTANTS } from './mutants.ts'
import { mutate } from './mutant.ts'

const ROOT = join(import.meta.dirname, '../..')
const name = process.env['MUTANT']
const mutant = MUTANTS.find((one) => one.name === name)
if (name && !mutant) throw new Error(`there is no mutant ${name}`)

if (mutant) {
  const url = pathToFileURL(join(ROOT, mutant.file)).href
  registerHooks({
    load(at, context, nextLoad) {
      const loaded = nextLoad(at, context)
      if (at !== url || loaded.source === undefined || loaded.source === null) return loaded
      const source = typeof loaded.source === 'string' ? loaded.source : decode(loaded.source)
      return { ...loaded, source: mutate(mutant, source) }
    },
  })
}

function decode(bytes: ArrayBuffer | NodeJS.TypedArray): string {
  return new TextDecoder().decode(bytes)
}
