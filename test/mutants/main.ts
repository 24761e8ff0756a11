// `npm run mutants`: every mutant must turn the simulation red, or the test that it names.

import { availableParallelism } from 'node:os'
import { readArguments } from '../../scripts/arguments.ts'
import { MUTANTS } from './mutants.ts'
import { runMutant, type Verdict } from './run.ts'
import { survivorsOf, tableOf } from './table.ts'

const HELP = `npm run mutants [-- options] [name …]

Breaks one rule at a time, by a patch of one source, and demands that the simulation (or the test that
the mutant names) turns red. Without names: every mutant. Exit code 0: none survived.

  --seconds <n>   for each mutant, at most (default 60)
  --quick         leaves out those that need real servers
  --list          names them`

const { values, positionals } = readArguments('mutants', {
  allowPositionals: true,
  options: {
    help: { type: 'boolean' },
    list: { type: 'boolean' },
    quick: { type: 'boolean' },
    seconds: { type: 'string', default: '60' },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const seconds = Number(values.seconds)
const unknown = positionals.filter((name) => !MUTANTS.some((one) => one.name === name))
if (unknown.length > 0 || !(seconds > 0)) {
  const why = unknown.length > 0 ? `no mutant ${unknown.join(', ')}` : '--seconds wants a number'
  console.error(`${why}: see npm run mutants -- --help`)
  process.exit(2)
}
const chosen = MUTANTS.filter(
  ({ name, test }) =>
    (positionals.length === 0 || positionals.includes(name)) &&
    !(values.quick && test && test.project !== 'unit'),
)
if (values.list) {
  for (const { name, breaks } of chosen) console.log(`${name.padEnd(30)} ${breaks}`)
  process.exit(0)
}

const began = performance.now()
const verdicts = new Map<string, Verdict>()
await Promise.all(Array.from({ length: availableParallelism() }, work))
console.log(tableOf(chosen, verdicts, (performance.now() - began) / 1000))
process.exit(survivorsOf(chosen, verdicts).length === 0 ? 0 : 1)

/** Those that take long first, so that the last one does not keep everybody waiting. */
async function work(): Promise<void> {
  const waiting = chosen.toSorted((a, b) => Number(Boolean(b.test)) - Number(Boolean(a.test)))
  for (const mutant of waiting) {
    if (verdicts.has(mutant.name)) continue
    verdicts.set(mutant.name, { is: 'running' })
    const verdict = await runMutant(mutant, seconds)
    verdicts.set(mutant.name, verdict)
    console.error(`${mutant.name}: ${verdict.is}`)
  }
}
