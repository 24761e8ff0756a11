// `npm run build`: what the images hold. One folder a program, dist/<name>/, with nothing else to
// install: its code and its packages in a few files, the files it reads beside them, and the licences
// of the packages. `npm run build -- gateway expiry` builds only these.

import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { build, type Metafile } from 'esbuild'
import { SCHEMAS } from './servers/database.ts'
import { SERVICES } from './services.ts'

const ROOT = join(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')

/** What each program starts with. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(SERVICES.map((name) => [name, `services/${name}/src/main.ts`])),
  migrate: 'deploy/programs/migrate.ts',
  proxy: 'deploy/programs/proxy.ts',
  secrets: 'deploy/programs/secrets.ts',
}

// CommonJS packages inside an ES module ask for what only CommonJS has.
const COMMONJS = `import { createRequire as createRequireOfBundle } from 'node:module';
const require = createRequireOfBundle(import.meta.url);
const __dirname = import.meta.dirname;
const __filename = import.meta.filename;`

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(PROGRAMS)
const unknown = names.filter((name) => PROGRAMS[name] === undefined)
if (unknown.length > 0) {
  console.error(`No program: ${unknown.join(', ')}. There are: ${Object.keys(PROGRAMS).join(', ')}`)
  process.exit(1)
}
for (const name of names) {
  const began = performance.now()
  const folder = join(DIST, name)
  await bundle(PROGRAMS[name] as string, folder)
  if (name === 'migrate') copySql(folder)
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  console.log(`  ${`dist/${name}`.padEnd(26)} ${megabytes(folder)} MB  ${seconds.padStart(5)} s`)
}

async function bundle(main: string, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true })
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: {
      main,
      telemetry: 'packages/chassis/src/telemetry.ts',
      healthy: 'deploy/programs/healthy.ts',
    },
    outdir: folder,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    // The preload and the program share what they both import: one telemetry, not two.
    splitting: true,
    // Not minified: a stack trace of production names our functions.
    banner: { js: COMMONJS },
    metafile: true,
    logLevel: 'warning',
  })
  const inputs = Object.keys(metafile.inputs)
  copyFilesRead(inputs, folder)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(join(folder, 'LICENSES.txt'), licences(metafile))
}

/** Ours read files as `new URL('./set.lua', import.meta.url)`: beside the bundle from now on. */
function copyFilesRead(inputs: readonly string[], folder: string): void {
  for (const input of inputs.filter((path) => !path.includes('node_modules/'))) {
    const text = readFileSync(join(ROOT, input), 'utf8')
    for (const [, file = ''] of text.matchAll(/new URL\('\.\/([^']+)', import\.meta\.url\)/g)) {
      const copy = join(folder, basename(file))
      if (existsSync(copy)) throw new Error(`two files named ${basename(file)} in one bundle`)
      copyFileSync(join(ROOT, dirname(input), file), copy)
    }
  }
}

function copySql(folder: string): void {
  copyFileSync(join(ROOT, 'deploy/postgres/roles.sql'), join(folder, 'roles.sql'))
  for (const { service, schema } of SCHEMAS) {
    cpSync(join(ROOT, 'services', service, 'migrations'), join(folder, schema), { recursive: true })
  }
}

/** Name, version, licence and its text, of every package of which a line is in the bundle. */
function licences({ inputs }: Metafile): string {
  const folders = Object.keys(inputs).flatMap((path) => {
    const match = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)
    return match === null ? [] : [match[0]]
  })
  return [...new Set(folders)]
    .sort()
    .map(licenceOf)
    .join(`\n\n${'-'.repeat(80)}\n\n`)
}

function licenceOf(folder: string): string {
  const about = JSON.parse(readFileSync(resolve(ROOT, folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license?: string
  }
  const texts = readdirSync(resolve(ROOT, folder), { withFileTypes: true })
    .filter((file) => file.isFile() && /^(licen[cs]e|notice|copying)/i.test(file.name))
    .map((file) => readFileSync(join(file.parentPath, file.name), 'utf8').trim())
  return [`${about.name} ${about.version}: ${about.license ?? 'see below'}`, ...texts].join('\n\n')
}

function megabytes(folder: string): string {
  const bytes = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
  return (bytes / 1e6).toFixed(1).padStart(5)
}
