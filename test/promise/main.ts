// `npm run promise`: the steps of a tier, one after another. Exit code 0: all of them passed, or were
// skipped because this machine cannot do them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { readArguments, refuseArguments } from '../../scripts/arguments.ts'
import { type Step, STEPS } from './steps.ts'

const BOOTSTRAP = join(import.meta.dirname, '../../scripts/bootstrap.mjs')

const { values } = readArguments('promise', {
  options: {
    nightly: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    list: { type: 'boolean', default: false },
  },
})
const chosen = chooseSteps()
if (values.list)
  for (const step of chosen) console.log(`${title(step)}\n${' '.repeat(12)}${command(step)}`)
else process.exitCode = await main()

function chooseSteps(): readonly Step[] {
  const { only, nightly } = values
  if (only === undefined) {
    return STEPS.filter(({ tier }) => tier === (nightly ? 'nightly' : 'ci'))
  }
  const unknown = only.find((name) => !STEPS.some((step) => step.name === name))
  if (unknown !== undefined) return refuseArguments('promise', `no step is named ${unknown}`)
  return STEPS.filter(({ name }) => only.includes(name))
}

async function main(): Promise<number> {
  const lines: string[] = []
  let failures = 0
  for (const step of chosen) {
    console.log(`\n── ${title(step)}\n   ${command(step)}\n`)
    const lacking = await step.lacks?.()
    const began = performance.now()
    const code = lacking === undefined ? await run(step) : 0
    if (code !== 0) failures++
    const seconds = `${((performance.now() - began) / 1_000).toFixed(0)} s`
    const sign = lacking !== undefined ? '–' : code === 0 ? '✓' : '✗'
    const after = lacking === undefined ? seconds : `skipped: ${lacking}`
    lines.push(`  ${sign} ${title(step)}  ${after}`)
  }
  console.log(`\n${lines.join('\n')}`)
  return failures === 0 ? 0 : 1
}

async function run({ run: [script, ...args] }: Step): Promise<number> {
  const child = spawn(process.execPath, [BOOTSTRAP, script, ...args], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  return code ?? 1
}

function title({ name, shows }: Step): string {
  return `${name.padEnd(11)} ${shows}`
}

function command({ run: [script, ...args] }: Step): string {
  const quoted = args.map((arg) => (/[ *]/.test(arg) ? `'${arg}'` : arg))
  return `npm run ${script}${args.length > 0 ? ` -- ${quoted.join(' ')}` : ''}`
}
