// What must be true of the servers that others run for us in production: Postgres by its operator, NATS
// and Valkey by their charts. What operator and chart make of it is not rendered here, so each rule is
// about what they do not do unless told.

import type { Container, PodSpec, Probe, ResourceRequirements } from 'kubernetes-types/core/v1.d.ts'
import type { NetworkPolicy, NetworkPolicySpec } from 'kubernetes-types/networking/v1.d.ts'
import type { Certificate, Cluster } from './custom-resources.ts'
import { type Manifest, quantity, say } from './manifests.ts'

/** What a `Cluster` of CloudNativePG lacks, and what it needs beside it. */
export function clusterRules(cluster: Cluster, manifests: readonly Manifest[]): string[] {
  const { spec, metadata } = cluster
  const { failoverQuorum, dataDurability } = spec.postgresql?.synchronous ?? {}
  const isApart =
    spec.affinity?.podAntiAffinityType === 'required' &&
    spec.affinity.topologyKey === 'kubernetes.io/hostname'
  const zones = (spec.topologySpreadConstraints ?? []).filter(
    ({ topologyKey }) => topologyKey === 'topology.kubernetes.io/zone',
  )
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy')
  return say(cluster, {
    'may lie on one machine': !isApart,
    'may lie in one zone': zones.length === 0,
    'may acknowledge what one machine has': dataDurability !== 'required',
    'may promote one that lacks what was acknowledged': failoverQuorum !== true,
    'is not what the services may talk to':
      spec.inheritedMetadata?.labels?.['part'] !== metadata.name,
    'has Jobs that reach nobody': !(policies as unknown as NetworkPolicy[]).some((policy) =>
      isAmongItself(policy.spec, metadata.name ?? ''),
    ),
    ...certificates(cluster, manifests),
  })
}

/** The Jobs that make an instance have only the operator's own labels, and ask the API (443, 6443). */
function isAmongItself(spec: NetworkPolicySpec | undefined, name: string): boolean {
  const label = { 'cnpg.io/cluster': name }
  const is = (labels?: object) => JSON.stringify(labels) === JSON.stringify(label)
  const rules = spec?.egress ?? []
  const open = (to: (typeof rules)[0]) => (to.ports ?? []).map(({ port }) => Number(port))
  return (
    is(spec?.podSelector.matchLabels) &&
    (spec?.ingress ?? []).some(({ from = [] }) =>
      from.some((one) => is(one.podSelector?.matchLabels)),
    ) &&
    rules.some((one) => one.to?.some(({ podSelector }) => is(podSelector?.matchLabels))) &&
    rules.some((one) => one.to?.some(({ ipBlock }) => ipBlock) && open(one).includes(6443))
  )
}

function certificates({ spec }: Cluster, manifests: readonly Manifest[]): Record<string, boolean> {
  const all = manifests.filter(({ kind }) => kind === 'Certificate') as unknown as Certificate[]
  const secrets = new Set(Object.values(spec.certificates ?? {}) as string[])
  return Object.fromEntries(
    [...secrets].map((secret) => {
      const made = all.find((one) => one.spec.secretName === secret)
      const isRead = made?.spec.secretTemplate?.labels?.['cnpg.io/reload'] !== undefined
      return [`does not read ${secret} when it is renewed`, !isRead]
    }),
  )
}

export interface NatsValues {
  config: {
    cluster: {
      replicas: number
      tls?: {
        enabled: boolean
        secretName: string
        merge: { verify?: boolean; verify_cert_and_check_known_urls?: boolean }
      }
    }
  }
  container: { env: { GOMEMLIMIT: string }; merge?: Partial<Container> }
  reloader?: { merge?: Partial<Container> }
  podTemplate: { merge: { spec?: Partial<PodSpec> } }
}

/** The chart gives its pods no rights to be taken away: what is merged into them is all there is. */
export function natsRules(values: NatsValues, manifests: readonly Manifest[]): string[] {
  const { tls, replicas } = values.config.cluster
  const all = manifests.filter(({ kind }) => kind === 'Certificate') as unknown as Certificate[]
  const shown = all.find(({ spec }) => spec.secretName === tls?.secretName)?.spec.dnsNames ?? []
  const dialled = Array.from({ length: replicas }, (_, index) => `nats-${index}.nats-headless`)
  const pod = values.podTemplate.merge.spec?.securityContext
  const containers = [values.container.merge, values.reloader?.merge]
  const memory = memoryOf(values.container.merge?.resources)
  const goBytes = quantity(values.container.env.GOMEMLIMIT.replace(/B$/, ''))
  return say(
    { kind: 'values', metadata: { name: 'nats' } },
    {
      'is refused: may be root': pod?.runAsNonRoot !== true || !pod.runAsUser,
      'is refused: has no seccomp profile': pod?.seccompProfile?.type !== 'RuntimeDefault',
      'is refused: may gain rights': !containers.every(
        (one) =>
          one?.securityContext?.allowPrivilegeEscalation === false &&
          one.securityContext.capabilities?.drop?.join() === 'ALL',
      ),
      'speaks among itself in the clear': tls?.enabled !== true,
      'takes any service for one of its own': !(
        tls?.merge.verify && tls.merge.verify_cert_and_check_known_urls
      ),
      'does not know itself by its certificate': !dialled.every((name) => shown.includes(name)),
      'is killed before it collects': quantity(memory.limit) <= goBytes,
      'requests too little': quantity(memory.request) <= goBytes,
    },
  )
}

export interface ValkeyValues {
  resources?: ResourceRequirements
  tls: { requireClientCertificate?: boolean }
  startupProbe?: { customProbe?: Probe }
  livenessProbe?: { customProbe?: Probe }
}

/** The chart's own security contexts are such as the namespace asks for. */
export function valkeyRules(values: ValkeyValues): string[] {
  const probes = [values.startupProbe, values.livenessProbe].map((one) => one?.customProbe?.exec)
  const isShown = probes.every((one) =>
    ['--cert', '--key'].every((it) => one?.command?.includes(it)),
  )
  const { request, limit } = memoryOf(values.resources)
  return say(
    { kind: 'values', metadata: { name: 'valkey' } },
    {
      'has probes without a certificate': values.tls.requireClientCertificate === true && !isShown,
      'requests nothing': quantity(request) === 0,
      'may take all memory': quantity(limit) === 0,
      'has values of a chart before 1.0': 'valkeyConfig' in values,
    },
  )
}

function memoryOf(resources?: ResourceRequirements): { request: string; limit: string } {
  const { requests, limits } = resources ?? {}
  return { request: requests?.['memory'] ?? '0', limit: limits?.['memory'] ?? '0' }
}
