// What the pages tell a reader to type, set or open: it is there.

import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { createProgram } from '../../clients/cli/src/program.ts'
import { pages, ROOT } from './pages.ts'

const BOOTSTRAP = join(ROOT, 'scripts/bootstrap.mjs')
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>
}

interface Named {
  readonly page: string
  readonly what: string
  readonly options: readonly string[]
}

/** What stands in code, in the line or in a block, and matches; its options are those behind it. */
function named(pattern: RegExp): Named[] {
  return pages().flatMap(({ path, text }) =>
    codeLines(text).flatMap((line) =>
      [...line.matchAll(pattern)].map(([, what = '', rest = '']) => ({
        page: path,
        what,
        options: [...withoutQuotes(rest).matchAll(/(?<= )--[a-z][a-z-]*/g)].map(
          ([option]) => option,
        ),
      })),
    ),
  )
}

/** Lines of shell blocks without their comments, and inline code. */
function codeLines(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, body = '']) =>
    body.replaceAll('\\\n', ' ').split('\n'),
  )
  const prose = text.replace(/^```[\s\S]*?^```/gm, '')
  return [
    ...blocks.map((line) => line.replace(/\s#.*$/, '')),
    ...[...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code),
  ]
}

function withoutQuotes(line: string): string {
  return line.replace(/"[^"]*"|'[^']*'/g, '…')
}

test('every npm script that a page names is in package.json', () => {
  // Goal: nobody types a command that was renamed.
  const all = named(/\bnpm run ([a-z][a-z:-]*)(.*)$/g)
  expect(all.length).toBeGreaterThan(30)
  expect(all.filter(({ what }) => scripts[what] === undefined)).toEqual([])
})

test('every option that a page gives to one is in its --help', () => {
  // Goal: nor with an option that is not there, nor one that the command does not tell of.
  const help = new Map<string, string>()
  const unknown = named(/\bnpm run ([a-z][a-z:-]*) (-- .*)$/g).flatMap(
    ({ page, what, options }) => {
      if (options.length === 0) return []
      if (!help.has(what)) help.set(what, helpOf(what))
      return options
        .filter((option) => !help.get(what)?.includes(`${option} `))
        .map((option) => `${page}: npm run ${what} -- ${option}`)
    },
  )
  expect(help.size).toBeGreaterThan(5)
  expect(unknown).toEqual([])
})

function helpOf(script: string): string {
  const command = scripts[script]?.split(' ').at(-1) ?? ''
  const run = spawnSync(process.execPath, [BOOTSTRAP, command, '--help'], { encoding: 'utf8' })
  return run.stdout
}

test('every command of twotick that a page names is there, with its options', () => {
  // Goal: the command line client does what the pages say.
  const program = createProgram()
  const longOf = (options: readonly { long?: string | null }[]) => options.map(({ long }) => long)
  const all = named(/\bnpx twotick ((?:--(?:as|url) \S+ )?(?:--json )?[a-z]+)( .*)?$/g)
  const wrong = all.flatMap(({ page, what, options }) => {
    const name = what.split(' ').at(-1)
    const command = program.commands.find((each) => each.name() === name)
    if (command === undefined) return [`${page}: twotick ${what}`]
    const known = [...longOf(command.options), ...longOf(program.options), '--help']
    return options
      .filter((option) => !known.includes(option))
      .map((option) => `${page}: twotick ${name} ${option}`)
  })
  expect(all.length).toBeGreaterThan(10)
  expect(wrong).toEqual([])
})

test('every file and folder that a page names in code is there', () => {
  // Goal: a file that was moved or renamed is not named on. Where it is: from the root, from the
  // page, or from the sources beside the page; a name alone may be anywhere.
  const files = globSync('**/*.*', {
    cwd: ROOT,
    exclude: (path) => /(^|\/)(node_modules|dist|\.git|\.twotick)$/.test(path),
  })
  const names = new Set(files.map((path) => path.slice(path.lastIndexOf('/') + 1)))
  const folders = globSync('*/', { cwd: ROOT }).join('|')
  const path = new RegExp(`^((?:${folders}|src)/[\\w./*-]+)$`, 'g')
  const isThere = ({ page, what }: Named) =>
    ['', dirname(page), join(dirname(page), 'src')].some((folder) =>
      what.includes('*')
        ? globSync(join(folder, what), { cwd: ROOT }).length > 0
        : existsSync(join(ROOT, folder, what)),
    )
  const paths = named(path).filter(({ what }) => !/NNNN|^deploy\/certificates$/.test(what))
  const alone = named(/^([\w.-]+\.(?:ts|mjs|yml|yaml|conf|proto|lua|md))$/g)
  expect(paths.length).toBeGreaterThan(40)
  expect(paths.filter((each) => !isThere(each))).toEqual([])
  expect(alone.filter(({ what }) => !names.has(what))).toEqual([])
})

test('every variable that a page names is read by somebody', () => {
  // Goal: nobody sets what has no effect; a service would not even start with it.
  const sources = globSync(
    '{packages,services,clients,scripts,test,bench,deploy}/**/*.{ts,mjs,conf}',
    {
      cwd: ROOT,
      exclude: (path) => /(^|\/)(node_modules|dist)$/.test(path),
    },
  )
  const texts = [
    'docs/configuration.md', // what the schemas have
    'vitest.config.ts',
    ...sources.filter((path) => !path.endsWith('docs/named.test.ts')),
  ].map((path) => readFileSync(join(ROOT, path), 'utf8'))
  const known = new Set(texts.flatMap((text) => text.match(/TWOTICK_[A-Z0-9_]+/g) ?? []))
  // The programs of deploy/ are in no page: theirs are fields, `postgresHost: text(…)`.
  const isField = (name: string) => texts.some((text) => text.includes(`  ${camel(name)}: text(`))
  const isKnown = (name: string) =>
    known.has(name) || known.has(name.replace(/_FILE$/, '')) || isField(name)
  const all = pages()
    .filter(({ path }) => path !== 'docs/configuration.md')
    .flatMap(({ path, text }) =>
      [...text.matchAll(/\b(TWOTICK_[A-Z0-9_]{2,})(?!…|[A-Z0-9_])/g)].map(([, name = '']) => ({
        path,
        name,
      })),
    )
  expect(all.length).toBeGreaterThan(40)
  expect(all.filter(({ name }) => !isKnown(name))).toEqual([])
})

function camel(name: string): string {
  const words = name.replace('TWOTICK_', '').toLowerCase()
  return words.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
