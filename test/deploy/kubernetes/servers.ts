// What must be true of Postgres, which its operator runs for us in production. What it makes of this is
// not rendered here, so each rule is about what it does not do unless told.

import type { NetworkPolicy, NetworkPolicySpec } from 'kubernetes-types/networking/v1.d.ts'
import type { Certificate, Cluster } from './custom-resources.ts'
import { type Manifest, say } from './manifests.ts'

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
