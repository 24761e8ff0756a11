// `npm run test:compose`: the tests of docker-compose.yml, on images built from this checkout. Where
// there is no container engine, or one without the base images and no way to pull them, it says that
// it was SKIPPED and why.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'

const ROOT = join(import.meta.dirname, '..')
const PULL_MS = 300_000

const missing = whatIsMissing()
if (missing !== undefined) {
  console.log(`compose: SKIPPED, ${missing}`)
  process.exit(0)
}
process.env['TWOTICK_TEST_COMPOSE'] = 'yes'
process.env['TWOTICK_TEST_SERVERS'] = 'containers'
process.argv.push('--project', 'compose')
await import('./test.ts')

function whatIsMissing(): string | undefined {
  if (!succeeds(['info'])) return 'no container engine answers here'
  if (!succeeds(['compose', 'version'])) return 'docker has no compose'
  const images = parseEnv(readFileSync(join(ROOT, '.env'), 'utf8'))
  for (const name of ['NODE_IMAGE', 'POSTGRES_IMAGE', 'NATS_IMAGE', 'REDIS_IMAGE']) {
    const image = images[name] as string
    const isThere = succeeds(['image', 'inspect', image]) || succeeds(['pull', '--quiet', image])
    if (!isThere) return `the image ${image} is neither here nor to be pulled`
  }
  return undefined
}

function succeeds(args: string[]): boolean {
  return spawnSync('docker', args, { stdio: 'ignore', timeout: PULL_MS }).status === 0
}
