// Goal: the profile `observability` of docker-compose.yml is on by itself and off by one variable; the
// relay without it traces nothing; its containers are as locked in as ours; and its files name each
// other by what they are called there.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { SERVICES } from '../../scripts/services.ts'
import {
  collectorSchema,
  datasourcesSchema,
  jaegerSchema,
  providersSchema,
} from './collector-schema.ts'

const ROOT = join(import.meta.dirname, '../..')
const FILES = 'deploy/observability'

interface ComposeService {
  readonly profiles?: readonly string[]
  readonly image: string
  readonly user?: string
  readonly read_only: boolean
  readonly cap_drop: readonly string[]
  readonly mem_limit: string
  readonly environment?: Readonly<Record<string, string>>
  readonly networks: readonly string[] | { relay: { aliases: readonly string[] } }
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
}

const compose = readYaml('docker-compose.yml') as { services: Record<string, ComposeService> }
const env = parseEnv(readFileSync(join(ROOT, '.env'), 'utf8'))
const watchers = Object.entries(compose.services).filter(([, { profiles }]) => profiles)

function readYaml(path: string): unknown {
  return parse(readFileSync(join(ROOT, path), 'utf8'), { merge: true })
}

it('the profile is on by .env alone, and only what watches is in it', () => {
  expect(env['COMPOSE_PROFILES']).toBe('observability')
  expect(watchers.map(([name]) => name).sort()).toEqual([
    'grafana',
    'jaeger',
    'otel-collector',
    'prometheus',
  ])
  for (const [name, { profiles }] of watchers) expect(profiles, name).toEqual(['observability'])
})

it('every service has its name in traces, and none is sent where nobody listens', () => {
  for (const name of SERVICES) {
    const { environment } = compose.services[name]!
    expect(environment?.['OTEL_SERVICE_NAME']).toBe(name)
    const endpoint = '${COMPOSE_PROFILES:+http://otel-collector:4318}'
    expect(environment?.['OTEL_EXPORTER_OTLP_ENDPOINT'], name).toBe(endpoint)
  }
})

it('Prometheus finds every service by the one name that it asks for', () => {
  const { scrape_configs: jobs } = readYaml(`${FILES}/prometheus.yml`) as {
    scrape_configs: { dns_sd_configs: { names: string[]; port: number }[] }[]
  }
  const [asked] = jobs.flatMap(({ dns_sd_configs: found }) => found)
  expect(asked).toMatchObject({ names: ['metrics'], port: 8701 })
  for (const name of SERVICES) {
    expect(compose.services[name]!.networks).toEqual({ relay: { aliases: ['metrics'] } })
  }
})

it('what watches is as locked in as what it watches, and reached from this machine only', () => {
  for (const [name, service] of watchers) {
    const { read_only: isReadOnly, cap_drop: dropped, user } = service
    expect({ name, isReadOnly, dropped }).toEqual({ name, isReadOnly: true, dropped: ['ALL'] })
    expect(user, name).toMatch(/^(65532:65532|nobody|472:0)$/)
    expect(service.mem_limit).toBeDefined()
    for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:/)
  }
})

it('images and ports are set in .env, with the same defaults in the file', () => {
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')
  for (const [, name = '', value] of text.matchAll(/\$\{(\w+_(?:IMAGE|PORT)):-([^}]+)\}/g)) {
    expect(`${name}=${env[name]}`).toBe(`${name}=${value}`)
  }
})

it('Kubernetes runs the same images', () => {
  const { images } = readYaml('k8s/observability/kustomization.yaml') as {
    images: { name: string; newTag: string }[]
  }
  const wanted = ['OTEL_COLLECTOR', 'JAEGER', 'PROMETHEUS', 'GRAFANA'].map(
    (name) => env[`${name}_IMAGE`],
  )
  expect(images.map(({ name, newTag }) => `${name}:${newTag}`)).toEqual(wanted)
})

it('every file has the fields that its reader knows, and no others', () => {
  const files = {
    'otel-collector.yaml': collectorSchema,
    'jaeger.yaml': jaegerSchema,
    'grafana/datasources.yaml': datasourcesSchema,
    'grafana/dashboards.yaml': providersSchema,
  }
  for (const [file, schema] of Object.entries(files)) {
    expect(schema.safeParse(readYaml(`${FILES}/${file}`)).error?.issues ?? [], file).toEqual([])
  }
})

it('traces go from the services through the collector to Jaeger, and Grafana asks both', () => {
  const collector = readYaml(`${FILES}/otel-collector.yaml`) as Pipeline
  const jaeger = readYaml(`${FILES}/jaeger.yaml`) as Pipeline
  for (const pipeline of [collector, jaeger]) expect(unknownParts(pipeline)).toEqual([])
  expect(collector.receivers['otlp']).toEqual({ protocols: { http: { endpoint: '0.0.0.0:4318' } } })
  expect(collector.exporters['otlp']).toMatchObject({ endpoint: 'jaeger:4317' })
  expect(jaeger.receivers['otlp']).toEqual({ protocols: { grpc: { endpoint: '0.0.0.0:4317' } } })
  const { datasources } = readYaml(`${FILES}/grafana/datasources.yaml`) as {
    datasources: { uid: string; url: string }[]
  }
  expect(datasources.map(({ uid, url }) => `${uid} ${url}`)).toEqual([
    'prometheus http://prometheus:9090',
    'jaeger http://jaeger:16686',
  ])
})

type Components = Readonly<Record<string, unknown>>

interface Pipeline {
  readonly extensions: Components
  readonly receivers: Components
  readonly processors: Components
  readonly exporters: Components
  readonly service: {
    readonly extensions: readonly string[]
    readonly pipelines: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
  }
}

/** What a pipeline names and the file does not have, and the other way about. */
function unknownParts({ service, ...parts }: Pipeline): string[] {
  const used: Record<string, string[]> = { extensions: [...service.extensions] }
  for (const pipeline of Object.values(service.pipelines)) {
    for (const [kind, names] of Object.entries(pipeline)) (used[kind] ??= []).push(...names)
  }
  return Object.entries(parts).flatMap(([kind, components]) => {
    const there = Object.keys(components)
    const wanted = used[kind] ?? []
    const odd = [...there, ...wanted].filter(
      (name) => there.includes(name) !== wanted.includes(name),
    )
    return odd.map((name) => `${kind}: ${name}`)
  })
}
