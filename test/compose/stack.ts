// `docker compose` on this checkout, under a project, images and ports of the test's own, so that a
// relay that already runs here is left alone. `remove` leaves nothing: containers, volumes, images.

import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../scripts/servers/free-port.ts'

const ROOT = join(import.meta.dirname, '../..')
const RUN_MS = 600_000
const OUTPUT_BYTES_MAX = 64 * 1_048_576

export interface Stack {
  /** Where devices connect. */
  readonly url: string
  /** Where deploy/compose.mtls.yml looks for certificates; empty. */
  readonly certificates: string
  /** Runs `docker compose <args>`; its standard output, or an error with both outputs. */
  compose(...args: string[]): Promise<string>
  /** Runs `docker <args>`. */
  docker(...args: string[]): Promise<string>
  /** Ids of the containers, one service's or all, those that ended included. */
  containers(service?: string): Promise<string[]>
  /** The network that the services are in. */
  readonly network: string
  /** The name of the image of one of our programs. */
  image(program: string): string
  remove(): Promise<void>
}

export async function createStack(): Promise<Stack> {
  const name = `twotick-test-${randomBytes(4).toString('hex')}`
  const port = await freePort()
  const certificates = mkdtempSync(join(tmpdir(), `${name}-`))
  const env = {
    ...process.env,
    COMPOSE_PROJECT_NAME: name,
    // Images of others that a closed machine cannot have.
    COMPOSE_PROFILES: '',
    IMAGES: name,
    CERTIFICATES: certificates,
    LISTEN_ADDRESS: '127.0.0.1',
    GATEWAY_PORT: String(port),
  }

  async function docker(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('docker', args, {
      ...{ cwd: ROOT, env, timeout: RUN_MS, maxBuffer: OUTPUT_BYTES_MAX },
    })
    return stdout
  }
  const compose = (...args: string[]) => docker('compose', '--progress', 'plain', ...args)

  return {
    url: `ws://127.0.0.1:${port}`,
    certificates,
    network: `${name}_relay`,
    compose,
    docker,
    containers: async (service) =>
      lines(await compose('ps', '--all', '--quiet', ...(service === undefined ? [] : [service]))),
    image: (program) => `${name}/${program}:local`,
    async remove() {
      await compose('down', '--volumes', '--remove-orphans', '--timeout', '2')
      const images = lines(await docker('image', 'ls', '--quiet', `${name}/*`))
      if (images.length > 0) await docker('image', 'rm', '--force', ...new Set(images))
      rmSync(certificates, { recursive: true, force: true })
    },
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}
