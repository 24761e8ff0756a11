// `npm run mutants`: every mutant must turn the simulation red, or the test that it names.

import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MUTANTS } from './mutants.ts'
import type { Mutant } from './mutant.ts'

const HELP = `npm run mutants [-- options] [name …]

Breaks one rule at a time, by a patch of one source, and demands that the simulation (or the test that
the mutant names) turns red. Without names: every mutant.

  --seconds <n>   for each mutant, at most (default 60)
  --quick         leaves out those that need real servers
  --list          names them`

const ROOT = join(import.meta.dirname, '../..')

const { values, positionals } = parseArgs({
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
const unknown = positionals.filter((name) => !MUTANTS.some((one) => one.name === name))
if (unknown.length > 0 || !(Number(values.seconds) > 0)) {
  const why = unknown.length > 0 ? `no mutant ${unknown.join(', ')}` : '--seconds wants a number'
  console.error(`${why}: see npm run mutants -- --help`)
  process.exit(2)
}
const chosen = MUTANTS.filter(
  ({ name, test }) =>
    (positionals.length === 0 || positionals.includes(name)) && !(values.quick && test),
)
if (values.list) {
  for (const { name, breaks } of chosen) console.log(`${name.padEnd(30)} ${breaks}`)
  process.exit(0)
}
process.exit(await runAll())

async function runAll(): Promise<number> {
  const waiting = [...chosen]
  let survivors = 0
  async function work(): Promise<void> {
    for (let mutant = waiting.shift(); mutant; mutant = waiting.shift()) {
      const began = performance.now()
      const red = await (mutant.test ? runTest(mutant) : runSimulation(mutant))
      const took = `${((performance.now() - began) / 1000).toFixed(1)} s`
      if (red === undefined) survivors += 1
      console.log(
        `${mutant.name.padEnd(30)} ${took.padStart(8)}  ${red ?? `SURVIVED: ${mutant.breaks}`}`,
      )
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  console.log(`\n${chosen.length - survivors} of ${chosen.length} mutants turned something red`)
  return survivors === 0 ? 0 : 1
}

/** What was violated; undefined: the mutant lives. */
async function runSimulation({ name }: Mutant): Promise<string | undefined> {
  const preload = ['--import', join(import.meta.dirname, 'preload.ts')]
  const script = join(ROOT, 'test/simulation/main.ts')
  const limits = ['--workers', '1', '--histories', '1000000', '--seconds', values.seconds]
  const { code, output } = await run([...preload, script, ...limits], name)
  const failed = output.split('\n').findIndex((line) => line.startsWith('FAILED'))
  if (code === 1 && failed !== -1) {
    const histories = output.split('\n')[0]?.split(' in ')[0] ?? ''
    return `${histories}: ${output.split('\n')[failed + 1]?.trim() ?? ''}`
  }
  if (code === 0) return undefined
  throw new Error(`mutant ${name} did not run:\n${output}`)
}

async function runTest({ name, test }: Mutant): Promise<string | undefined> {
  if (test === undefined) return undefined
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  const { code } = await run(
    [vitest, 'run', '--project', 'services', test.file, '-t', test.name],
    name,
  )
  return code === 0 ? undefined : `${test.file}: ${test.name}`
}

function run(args: readonly string[], mutant: string): Promise<{ code: number; output: string }> {
  const env = { ...process.env, MUTANT: mutant }
  const child = spawn(process.execPath, args, { cwd: ROOT, env })
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve({ code: code ?? 2, output }))
  })
}
