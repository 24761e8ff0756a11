// What must be true of everything that an overlay renders. Each rule says what is wrong, or nothing.

import { describeConfig, type ConfigSchema } from '@twotick/chassis'
import type { Deployment, StatefulSet } from 'kubernetes-types/apps/v1.d.ts'
import type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2.d.ts'
import type { Job } from 'kubernetes-types/batch/v1.d.ts'
import type { ConfigMap, Container, PodSpec, Service } from 'kubernetes-types/core/v1.d.ts'
import type { NetworkPolicy } from 'kubernetes-types/networking/v1.d.ts'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts'
import { configSchema as fanout } from '../../../services/delivery-fanout/src/config.ts'
import { configSchema as store } from '../../../services/envelope-store/src/config.ts'
import { configSchema as expiry } from '../../../services/expiry/src/config.ts'
import { configSchema as gateway } from '../../../services/gateway/src/config.ts'
import { configSchema as validation } from '../../../services/metadata-validation/src/config.ts'
import type { Cluster } from './custom-resources.ts'
import { type Manifest, quantity, say } from './manifests.ts'
import { clusterRules } from './servers.ts'

const SCHEMAS: Readonly<Record<string, ConfigSchema>> = {
  'delivery-fanout': fanout,
  'envelope-store': store,
  expiry,
  gateway,
  'metadata-validation': validation,
}

/** Who talks to whom, and that is all: ARCHITECTURE.md. */
export const CALLS: Readonly<Record<string, readonly string[]>> = {
  'delivery-fanout': ['nats', 'redis'],
  'envelope-store': ['nats', 'postgres'],
  expiry: ['envelope-store', 'metadata-validation'],
  gateway: ['envelope-store', 'metadata-validation', 'nats', 'redis'],
  'metadata-validation': ['nats', 'postgres'],
  migrate: ['postgres'],
}

/** What watches the relay, where an overlay has it. */
export const WATCHES: Readonly<Record<string, readonly string[]>> = {
  grafana: ['jaeger', 'prometheus'],
  'otel-collector': ['jaeger'],
  prometheus: ['watched'],
  watched: ['otel-collector'],
}

type Workload = Deployment | StatefulSet | Job

/** Everything that is wrong, each with the manifest that it is wrong in. */
export function violations(manifests: readonly Manifest[]): string[] {
  const of = <T>(kind: string) => manifests.filter((one) => one.kind === kind) as unknown as T[]
  const deployments = of<Deployment>('Deployment')
  const workloads = [...deployments, ...of<StatefulSet>('StatefulSet'), ...of<Job>('Job')]
  return [
    ...workloads.flatMap(rightsOfPod),
    ...workloads.flatMap((one) => references(one, of<ConfigMap>('ConfigMap'))),
    ...deployments.flatMap(probes),
    ...deployments.flatMap(endOf),
    ...deployments.flatMap(variables),
    ...deployments.flatMap(watching),
    ...deployments.flatMap((one) => availability(one, manifests)),
    ...deployments.flatMap((one) =>
      room(one, of<HorizontalPodAutoscaler>('HorizontalPodAutoscaler')),
    ),
    ...of<Cluster>('Cluster').flatMap((one) => clusterRules(one, manifests)),
    ...of<Service>('Service').flatMap((service) => reaches(service, workloads)),
    ...conversations(
      of<NetworkPolicy>('NetworkPolicy'),
      workloads.some(({ metadata }) => metadata?.name === 'prometheus'),
    ),
    ...(of<Job>('Job').length === 1 ? [] : ['Job migrate: is missing']),
    ...of('Secret').map(() => 'Secret: is no file of this repository'),
  ]
}

function rightsOfPod(workload: Workload): string[] {
  const pod = podOf(workload)
  const { runAsNonRoot, runAsUser = 0, seccompProfile } = pod.securityContext ?? {}
  return say(workload, {
    'runs as root': runAsNonRoot !== true || runAsUser === 0,
    'has no seccomp profile': seccompProfile?.type !== 'RuntimeDefault',
    'is given a token of the API': pod.automountServiceAccountToken !== false,
    ...Object.assign({}, ...pod.containers.map(rightsOfContainer)),
  })
}

function rightsOfContainer({ securityContext: may, resources, image = '' }: Container) {
  return {
    'may write its own file system': may?.readOnlyRootFilesystem !== true,
    'may gain rights': may?.allowPrivilegeEscalation !== false,
    'keeps capabilities': may?.capabilities?.drop?.join() !== 'ALL',
    'requests nothing': !resources?.requests?.['cpu'] || !resources.requests['memory'],
    'may take all memory': !resources?.limits?.['memory'],
    'has an image that changes under its name': !/:(?!latest$)[\w.-]+$/.test(image),
  }
}

function probes(deployment: Deployment): string[] {
  const { startupProbe, readinessProbe, livenessProbe } = mainOf(deployment)
  return say(deployment, {
    'has no startup probe': startupProbe?.grpc?.service !== 'liveness',
    'is not asked whether it takes work': (readinessProbe?.grpc?.service ?? '') !== '',
    'has no readiness probe': readinessProbe?.grpc === undefined,
    'is killed for what others are': livenessProbe?.grpc?.service !== 'liveness',
  })
}

/** Going on until nobody sends more, then draining, fit in the time until the kill. */
function endOf(deployment: Deployment): string[] {
  const main = mainOf(deployment)
  const sleepS = main.lifecycle?.preStop?.sleep?.seconds ?? 0
  const drainMs = Number(main.env?.find(({ name }) => name === 'TWOTICK_DRAIN_MS')?.value ?? 0)
  const graceS = podOf(deployment).terminationGracePeriodSeconds ?? 30
  return say(deployment, {
    'takes new work while it goes': sleepS < 3,
    'is killed while it drains': drainMs === 0 || sleepS + drainMs / 1_000 >= graceS,
  })
}

function variables(deployment: Deployment): string[] {
  const schema = SCHEMAS[deployment.metadata?.name ?? '']
  if (schema === undefined) return say(deployment, { 'is no service of ours': true })
  const given = (mainOf(deployment).env ?? []).map(({ name }) => name.replace(/_URL_FILE$/, '_URL'))
  const rows = describeConfig(schema)
  const known = new Set(rows.flatMap(({ variable }) => [variable, `${variable}_FILE`]))
  const unknown = given.filter((name) => name.startsWith('TWOTICK_') && !known.has(name))
  const missing = rows.filter(({ required, variable }) => required && !given.includes(variable))
  return say(deployment, {
    ...Object.fromEntries(unknown.map((name) => [`has the unknown variable ${name}`, true])),
    ...Object.fromEntries(missing.map(({ variable }) => [`lacks the variable ${variable}`, true])),
  })
}

/** Its metrics are read, and its spans say whose they are. */
function watching(deployment: Deployment): string[] {
  const labels = deployment.spec?.template.metadata?.labels
  const named = mainOf(deployment).env?.find(({ name }) => name === 'OTEL_SERVICE_NAME')
  const path = named?.valueFrom?.fieldRef?.fieldPath
  const isNamed = labels?.['part'] === deployment.metadata?.name
  return say(deployment, {
    'is not watched': labels?.['watched'] !== 'yes',
    'has no name in traces': !isNamed || path !== "metadata.labels['part']",
  })
}

function availability(deployment: Deployment, manifests: readonly Manifest[]): string[] {
  const { name = '' } = deployment.metadata ?? {}
  const named = manifests.filter((one) => one.metadata.name === name)
  const budget = named.find(({ kind }) => kind === 'PodDisruptionBudget') as PodDisruptionBudget
  const scaler = named.find(({ kind }) => kind === 'HorizontalPodAutoscaler')
  const { minReplicas = 0 } = (scaler as HorizontalPodAutoscaler | undefined)?.spec ?? {}
  const spread = podOf(deployment).topologySpreadConstraints ?? []
  return say(deployment, {
    'has no disruption budget': budget?.spec?.selector?.matchLabels?.['part'] !== name,
    'may lie on one machine': !spread.some((one) => one.topologyKey === 'kubernetes.io/hostname'),
    'may lie in one zone': !spread.some((one) => one.topologyKey === 'topology.kubernetes.io/zone'),
    // One expiry is enough: nobody waits for it.
    'has less than two replicas': name !== 'expiry' && minReplicas < 2,
    'sets replicas beside its autoscaler': scaler !== undefined && 'replicas' in deployment.spec!,
  })
}

const DEVICES_BACK_S = 60 // docs/operations.md, Scale
const GATEWAY_BYTES = 204 * 2 ** 20 // docs/operations.md, Capacity
const CONNECTION_BYTES = 12_000 // docs/performance.md

/** A gateway has room for its connections, and they for going from one to another in a rollout. */
function room(deployment: Deployment, scalers: readonly HorizontalPodAutoscaler[]): string[] {
  if (deployment.metadata?.name !== 'gateway') return []
  const { minReadySeconds = 0, progressDeadlineSeconds = 600 } = deployment.spec ?? {}
  const { startupProbe, resources } = mainOf(deployment)
  const startS = (startupProbe?.periodSeconds ?? 10) * (startupProbe?.failureThreshold ?? 3)
  const scaler = scalers.find(({ metadata }) => metadata?.name === 'gateway')
  const aim = scaler?.spec?.metrics?.find(({ pods }) => pods)?.pods?.target.averageValue ?? '0'
  const neededBytes = GATEWAY_BYTES + quantity(aim) * CONNECTION_BYTES
  return say(deployment, {
    'sends devices away before the last are back': minReadySeconds < DEVICES_BACK_S,
    'is given up while it starts': progressDeadlineSeconds <= startS + minReadySeconds,
    'requests too little for its connections':
      quantity(resources?.requests?.['memory'] ?? '0') < neededBytes,
  })
}

/** What is configured comes from a ConfigMap that is there; what is secret, from a Secret's file. */
function references(workload: Workload, maps: readonly ConfigMap[]): string[] {
  return podOf(workload).containers.flatMap(({ env = [] }) =>
    env.flatMap(({ name, value = '', valueFrom }) => {
      const from = valueFrom?.configMapKeyRef
      const map = maps.find(({ metadata }) => metadata?.name === from?.name)
      return say(workload, {
        [`${name} is of no ConfigMap`]: from !== undefined && map?.data?.[from.key] === undefined,
        [`${name} holds a password`]:
          /:[^/@]+@/.test(value) ||
          (/PASSWORD|SECRET|TOKEN|KEY/.test(name) && !/_FILE$/.test(name)),
      })
    }),
  )
}

function reaches(service: Service, workloads: readonly Workload[]): string[] {
  const wanted = Object.entries(service.spec?.selector ?? {})
  const workload = workloads.find(({ spec }) => {
    const labels = spec?.template.metadata?.labels ?? {}
    return wanted.every(([label, value]) => labels[label] === value)
  })
  const open = workload ? podOf(workload).containers.flatMap(({ ports = [] }) => ports) : []
  const fits = (service.spec?.ports ?? []).every(({ port, targetPort }) =>
    open.some(({ name, containerPort }) => name === targetPort && containerPort === port),
  )
  return say(service, { 'leads nowhere': !fits })
}

/** Nothing is allowed by default, and the two ends of each conversation allow exactly that one. */
function conversations(policies: readonly NetworkPolicy[], isWatched: boolean): string[] {
  const isDenied = policies.some(
    ({ spec }) =>
      spec?.podSelector.matchLabels === undefined &&
      spec?.policyTypes?.join() === 'Ingress,Egress' &&
      !spec.ingress &&
      !spec.egress,
  )
  const calls = { ...CALLS, ...(isWatched && WATCHES) }
  const wanted = Object.entries(calls).flatMap(([from, all]) => all.map((to) => `${from} → ${to}`))
  return [
    ...(isDenied ? [] : ['NetworkPolicy: what is not allowed is not denied']),
    ...differences('sent', wanted, edges(policies, 'egress')),
    ...differences('let in', wanted, edges(policies, 'ingress')),
  ]
}

function edges(policies: readonly NetworkPolicy[], way: 'ingress' | 'egress'): string[] {
  return policies.flatMap(({ spec }) => {
    const self = nameOfPods(spec?.podSelector.matchLabels) ?? 'anybody'
    const peers =
      way === 'egress'
        ? (spec?.egress ?? []).flatMap(({ to = [] }) => to)
        : (spec?.ingress ?? []).flatMap(({ from = [] }) => from)
    const others = peers.flatMap(({ podSelector }) => nameOfPods(podSelector?.matchLabels) ?? [])
    // Replicas of one server among themselves are its own affair.
    const apart = others.filter((other) => other !== self)
    return apart.map((other) => (way === 'egress' ? `${self} → ${other}` : `${other} → ${self}`))
  })
}

function nameOfPods(labels: Readonly<Record<string, string>> | undefined): string | undefined {
  return (
    labels?.['part'] ??
    labels?.['cnpg.io/cluster'] ??
    (labels?.['watched'] === 'yes' ? 'watched' : undefined)
  )
}

function differences(what: string, wanted: readonly string[], found: readonly string[]): string[] {
  return [
    ...wanted.filter((one) => !found.includes(one)).map((one) => `${one}: is not ${what}`),
    ...found.filter((one) => !wanted.includes(one)).map((one) => `${one}: is ${what} needlessly`),
  ]
}

function podOf({ spec }: Workload): PodSpec {
  return spec?.template.spec ?? { containers: [] }
}

function mainOf(workload: Workload): Partial<Container> {
  return podOf(workload).containers[0] ?? {}
}
