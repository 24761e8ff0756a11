// Goal: every overlay renders to what Kubernetes knows and what our own rules ask for; and the check
// is worth something: each of a list of mistakes, planted one at a time, is found.

import type { Deployment, StatefulSet } from 'kubernetes-types/apps/v1.d.ts'
import type { Service } from 'kubernetes-types/core/v1.d.ts'
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Certificate, Cluster } from './kubernetes/custom-resources.ts'
import { kubectlVersion, type Manifest, render, wrongTypes } from './kubernetes/manifests.ts'
import { violations } from './kubernetes/policy.ts'
import { natsRules, type NatsValues, valkeyRules, type ValkeyValues } from './kubernetes/servers.ts'

const OVERLAYS = ['dev', 'prod']
const VALUES = join(import.meta.dirname, '../../k8s/overlays/prod/values')

const version = kubectlVersion()
if (version === undefined) console.log('kubernetes: SKIPPED, no kubectl of 1.27 or newer is here')

describe.skipIf(version === undefined)('kubernetes', () => {
  it.each(OVERLAYS)('the overlay %s is known to Kubernetes, and keeps our rules', (overlay) => {
    const manifests = render(overlay)
    expect(manifests.length).toBeGreaterThan(30)
    expect(wrongTypes(manifests)).toEqual([])
    expect(violations(manifests)).toEqual([])
  })

  it('the files that operations.md applies one by one are what the overlay is rendered to', () => {
    const root = join(import.meta.dirname, '../..')
    const page = readFileSync(join(root, 'docs/operations.md'), 'utf8')
    const named = [...page.matchAll(/ rendered\/(\S+\.yaml)/g)].map(([, file]) => file)
    const folder = mkdtempSync(join(tmpdir(), 'twotick-rendered-'))
    try {
      const overlay = join(root, 'k8s/overlays/prod')
      execFileSync('kubectl', ['kustomize', overlay, '--output', folder])
      expect(new Set(named).size).toBe(2)
      expect(readdirSync(folder)).toEqual(expect.arrayContaining(named))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('a misspelt field, at any depth, is found by Kubernetes’ types', () => {
    const manifests = render('dev')
    const { startupProbe, ...rest } = mainOf(manifests)
    podOf(manifests).containers = [{ ...rest, startupProb: startupProbe } as typeof rest]
    expect(wrongTypes(manifests).join()).toMatch(/Deployment gateway: .*startupProb/)
  })

  it('a value of a wrong type is found as well', () => {
    const manifests = render('dev')
    Object.assign(podOf(manifests), { terminationGracePeriodSeconds: '30' })
    expect(wrongTypes(manifests)).toHaveLength(1)
  })

  it.each<[string, (manifests: Manifest[]) => unknown, string]>([
    ['root', (all) => delete podOf(all).securityContext!.runAsNonRoot, 'runs as root'],
    [
      'a writable root',
      (all) => (mainOf(all).securityContext!.readOnlyRootFilesystem = false),
      'may write its own file system',
    ],
    [
      'a capability',
      (all) => (mainOf(all).securityContext!.capabilities = { drop: ['NET_RAW'] }),
      'keeps capabilities',
    ],
    ['no requests', (all) => delete mainOf(all).resources!.requests, 'requests nothing'],
    ['latest', (all) => (mainOf(all).image = 'twotick/gateway:latest'), 'changes under its name'],
    [
      'liveness by readiness',
      (all) => (mainOf(all).livenessProbe!.grpc!.service = ''),
      'is killed for what others are',
    ],
    [
      'a drain that is cut off',
      (all) => (podOf(all).terminationGracePeriodSeconds = 20),
      'is killed while it drains',
    ],
    [
      'no disruption budget',
      (all) => remove(all, 'PodDisruptionBudget', 'gateway'),
      'has no disruption budget',
    ],
    ['all on one machine', (all) => delete podOf(all).topologySpreadConstraints, 'on one machine'],
    [
      'a misspelt variable',
      (all) => mainOf(all).env!.push({ name: 'TWOTICK_CONNECTION_MAX', value: '1' }),
      'unknown variable TWOTICK_CONNECTION_MAX',
    ],
    [
      'a variable that is missing',
      (all) => (mainOf(all).env = mainOf(all).env!.filter(({ name }) => !/AUDIENCES/.test(name))),
      'lacks the variable TWOTICK_AUDIENCES',
    ],
    [
      'a password in the clear',
      (all) => mainOf(all).env!.push({ name: 'TWOTICK_REDIS_URL', value: 'redis://a:b@redis' }),
      'holds a password',
    ],
    ['nothing denied', (all) => remove(all, 'NetworkPolicy', 'deny-all'), 'is not denied'],
    [
      'one more who may talk to Postgres',
      (all) => {
        const { spec } = find<NetworkPolicy>(all, 'NetworkPolicy', 'to-postgres')
        spec!.ingress![0]!.from!.push({ podSelector: { matchLabels: { part: 'gateway' } } })
      },
      'gateway → postgres: is let in needlessly',
    ],
    [
      'one who may not talk to whom it must',
      (all) => remove(all, 'NetworkPolicy', 'from-expiry'),
      'expiry → envelope-store: is not sent',
    ],
    [
      'a port that nobody listens on',
      (all) => (find<Service>(all, 'Service', 'gateway').spec!.ports![0]!.port = 8080),
      'Service gateway: leads nowhere',
    ],
    [
      'Prometheus shut out',
      (all) => (find<NetworkPolicy>(all, 'NetworkPolicy', 'watched').spec!.ingress = []),
      'prometheus → watched: is not let in',
    ],
    [
      'a service that nobody watches',
      (all) => delete labelsOf(all)['watched'],
      'Deployment gateway: is not watched',
    ],
    ['no migrations', (all) => remove(all, 'Job', 'migrate'), 'Job migrate: is missing'],
    [
      'a rollout faster than devices come back',
      (all) => delete find<Deployment>(all, 'Deployment', 'gateway').spec!.minReadySeconds,
      'sends devices away before the last are back',
    ],
    [
      'a rollout that waits for longer than it may',
      (all) => (find<Deployment>(all, 'Deployment', 'gateway').spec!.minReadySeconds = 599),
      'is given up while it starts',
    ],
    [
      'memory for a gateway without devices',
      (all) => (mainOf(all).resources!.requests!['memory'] = '256Mi'),
      'requests too little for its connections',
    ],
  ])('planted: %s', (_what, plant, found) => {
    const manifests = render('dev')
    plant(manifests)
    expect(violations(manifests).join('\n')).toContain(found)
  })

  it.each<[string, (manifests: Manifest[]) => unknown, string]>([
    [
      'instances on one machine',
      (all) => (clusterOf(all).affinity!.podAntiAffinityType = 'preferred'),
      'may lie on one machine',
    ],
    [
      'instances in one zone',
      (all) => delete clusterOf(all).topologySpreadConstraints,
      'may lie in one zone',
    ],
    [
      'a failover that may lose',
      (all) => delete clusterOf(all).postgresql!.synchronous!.failoverQuorum,
      'may promote one that lacks what was acknowledged',
    ],
    [
      'a cluster that the services may not talk to',
      (all) => delete clusterOf(all).inheritedMetadata,
      'is not what the services may talk to',
    ],
    [
      'Jobs of Postgres shut out',
      (all) => {
        const { spec } = find<NetworkPolicy>(all, 'NetworkPolicy', 'postgres-cluster')
        spec!.podSelector = { matchLabels: { part: 'postgres' } }
      },
      'has Jobs that reach nobody',
    ],
    [
      'one more who may talk to the cluster',
      (all) => {
        const { spec } = find<NetworkPolicy>(all, 'NetworkPolicy', 'postgres-cluster')
        spec!.ingress![0]!.from!.push({ podSelector: { matchLabels: { part: 'gateway' } } })
      },
      'gateway → postgres: is let in needlessly',
    ],
    [
      'a certificate that expires in use',
      (all) => delete find<Certificate>(all, 'Certificate', 'postgres-tls').spec.secretTemplate,
      'does not read postgres-tls when it is renewed',
    ],
  ])('planted in production: %s', (_what, plant, found) => {
    const manifests = render('prod')
    plant(manifests)
    expect(violations(manifests).join('\n')).toContain(found)
  })
})

describe('the values of charts', () => {
  const nats = () => valuesOf<NatsValues>('nats')
  const valkey = () => valuesOf<ValkeyValues>('valkey')

  it('make pods that the namespace lets in, and that are found alive', () => {
    expect([...natsRules(nats(), render('prod')), ...valkeyRules(valkey())]).toEqual([])
  })

  it.each<[string, (values: NatsValues) => unknown, string]>([
    ['a pod that may be root', (it) => delete it.podTemplate.merge.spec, 'may be root'],
    ['a reloader with all rights', (it) => delete it.reloader, 'may gain rights'],
    ['no TLS', (it) => delete it.config.cluster.tls, 'in the clear'],
    [
      'any certificate',
      (it) => delete it.config.cluster.tls!.merge.verify_cert_and_check_known_urls,
      'takes any service',
    ],
    ['one more', (it) => (it.config.cluster.replicas = 4), 'does not know itself'],
    [
      'less memory than Go may take',
      (it) => (it.container.merge!.resources!.limits!['memory'] = '384Mi'),
      'is killed before it collects',
    ],
  ])('planted in NATS’: %s', (_what, plant, found) => {
    const values = nats()
    plant(values)
    expect(natsRules(values, render('prod')).join('\n')).toContain(found)
  })

  it.each<[string, (values: ValkeyValues) => unknown, string]>([
    ['a probe of the chart', (it) => delete it.livenessProbe, 'has probes without a certificate'],
    ['no memory', (it) => delete it.resources, 'requests nothing'],
  ])('planted in Valkey’s: %s', (_what, plant, found) => {
    const values = valkey()
    plant(values)
    expect(valkeyRules(values).join('\n')).toContain(found)
  })
})

function valuesOf<T>(chart: string): T {
  return parse(readFileSync(join(VALUES, `${chart}.yaml`), 'utf8')) as T
}

function clusterOf(manifests: readonly Manifest[]) {
  return find<Cluster>(manifests, 'Cluster', 'postgres').spec
}

function find<T>(manifests: readonly Manifest[], kind: string, name: string): T {
  return manifests.find((one) => one.kind === kind && one.metadata.name === name) as unknown as T
}

function remove(manifests: Manifest[], kind: string, name: string): void {
  const at = manifests.findIndex((one) => one.kind === kind && one.metadata.name === name)
  manifests.splice(at, 1)
}

function podOf(manifests: readonly Manifest[]) {
  return find<Deployment | StatefulSet>(manifests, 'Deployment', 'gateway').spec!.template.spec!
}

function labelsOf(manifests: readonly Manifest[]): Record<string, string> {
  return find<Deployment>(manifests, 'Deployment', 'gateway').spec!.template.metadata!.labels!
}

function mainOf(manifests: readonly Manifest[]) {
  return podOf(manifests).containers[0]!
}
