// Runs one mutant: the simulation, or the test that it names, with its patch.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mutate, type Mutant } from './mutant.ts'

export type Verdict =
  | { readonly is: 'running' }
  | { readonly is: 'red'; readonly by: string; readonly what: string; readonly took: string }
  | { readonly is: 'survived'; readonly took: string }
  /** The test that it names does not run on this machine. */
  | { readonly is: 'skipped'; readonly why: string }

const ROOT = join(import.meta.dirname, '../..')
const PRELOAD = pathToFileURL(join(import.meta.dirname, 'preload.ts')).href
const SKIPPED = /SKIPPED: (.*)/

interface Outcome {
  readonly histories: number
  readonly seed: number
  /** The schedule that the history follows. */
  readonly name: string
  readonly violations: readonly string[]
}

/** Runs it for so many seconds at most; a test takes as long as it takes. */
export async function runMutant(mutant: Mutant, seconds: number): Promise<Verdict> {
  mutate(mutant, readFileSync(join(ROOT, mutant.file), 'utf8')) // throws where it does not fit
  return mutant.test ? runTest(mutant.name, mutant.test) : runSimulation(mutant, seconds)
}

async function runSimulation({ name, schedule = '' }: Mutant, seconds: number): Promise<Verdict> {
  const script = join(ROOT, 'test/simulation/main.ts')
  const which = ['--only', schedule, '--histories', '1000000', '--seconds', String(seconds)]
  const { code, output, tookS } = await run([script, ...which, '--workers', '1', '--json'], name)
  const outcome = outcomeIn(output)
  if (outcome === undefined) throw new Error(`mutant ${name} did not run:\n${output}`)
  const took = `${outcome.histories} histories, ${tookS.toFixed(1)} s`
  if (code === 0) return { is: 'survived', took }
  const by = `${outcome.name} (seed ${outcome.seed})`
  return { is: 'red', by, what: shortened(outcome.violations[0] ?? ''), took }
}

function outcomeIn(output: string): Outcome | undefined {
  const line = output.split('\n').find((each) => each.startsWith('{'))
  return line === undefined ? undefined : (JSON.parse(line) as Outcome)
}

/** Its first line, with accounts as a letter. */
function shortened(violation: string): string {
  const [line = ''] = violation.split('\n')
  return line.replaceAll(/([a-f])\1{7}-0000-4000-8000-0{12}/g, '$1')
}

async function runTest(name: string, test: NonNullable<Mutant['test']>): Promise<Verdict> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
  // Without its cache: it would keep the broken source for whoever tests next, or know the whole one.
  const how = ['--fsModuleCache=false', '--project', test.project]
  const args = [vitest, 'run', ...how, test.file, '-t', test.name]
  const { code, output, tookS } = await run(args, name)
  const [, why] = SKIPPED.exec(output) ?? []
  if (why !== undefined) return { is: 'skipped', why }
  const took = `${tookS.toFixed(1)} s`
  if (code === 0) return { is: 'survived', took }
  // Not that something was in the way of the test.
  if (!output.includes('AssertionError')) throw new Error(`mutant ${name} did not run:\n${output}`)
  return { is: 'red', by: test.file, what: test.name, took }
}

async function run(args: readonly string[], mutant: string) {
  const began = performance.now()
  // Also for the services that a test starts as processes of their own.
  const env = { ...process.env, MUTANT: mutant, NODE_OPTIONS: `--import ${PRELOAD}` }
  const child = spawn(process.execPath, args, { cwd: ROOT, env })
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  const code = await new Promise<number>((resolve) => {
    child.once('exit', (code) => resolve(code ?? 2))
  })
  return { code, output, tookS: (performance.now() - began) / 1000 }
}
