// Prometheus of Debian's package, with the configuration that is shipped: only where it finds the
// services, and how often it looks, is the test's own.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { freePort } from '../../scripts/servers/free-port.ts'
import { waitFor } from '../wait.ts'

export const OBSERVABILITY = join(import.meta.dirname, '../../deploy/observability')

/** Undefined: it is here; else what is missing. */
export function whatIsMissing(): string | undefined {
  const isHere = (name: string) => spawnSync(name, ['--version']).error === undefined
  if (isHere('prometheus') && isHere('promtool')) return undefined
  return 'no prometheus and promtool are here (apt-get install prometheus)'
}

export interface Prometheus {
  /** An instant query: the values, by their labels. */
  query(expression: string): Promise<readonly Sample[]>
  get(path: string): Promise<unknown>
  stop(): Promise<void>
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

interface Config {
  global: object
  scrape_configs: object[]
}

/** Reads `targets` (host:port) every second. */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-prometheus-'))
  const config = parse(readFileSync(join(OBSERVABILITY, 'prometheus.yml'), 'utf8')) as Config
  const [job] = config.scrape_configs
  const often = { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' }
  const file = {
    ...config,
    global: often,
    scrape_configs: [{ ...job, dns_sd_configs: [], static_configs: [{ targets }] }],
  }
  writeFileSync(join(folder, 'prometheus.yml'), stringify(file))
  copyFileSync(join(OBSERVABILITY, 'alerts.yml'), join(folder, 'alerts.yml'))

  const listen = `127.0.0.1:${await freePort()}`
  const output: string[] = []
  const process = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${listen}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  process.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()))

  async function get(path: string): Promise<unknown> {
    const response = await fetch(`http://${listen}${path}`)
    const body = (await response.json()) as { status: string; error?: string; data: unknown }
    if (body.status !== 'success') throw new Error(`${path}: ${body.error}`)
    return body.data
  }
  const isReady = async () => {
    if (process.exitCode !== null) throw new Error(output.join(''))
    return fetch(`http://${listen}/-/ready`).then(
      (response) => response.ok,
      () => false,
    )
  }
  await waitFor(isReady, { what: 'Prometheus to be ready', deadlineMs: 30_000 })

  return {
    get,
    async query(expression) {
      const path = `/api/v1/query?query=${encodeURIComponent(expression)}`
      const { result } = (await get(path)) as {
        result: { metric: Record<string, string>; value: [number, string] }[]
      }
      return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }))
    },
    async stop() {
      const ended = once(process, 'exit')
      process.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
