// The parts of others' resources that the overlays use, after their own references: the Gateway API
// (v1), CloudNativePG (postgresql.cnpg.io/v1) and cert-manager (cert-manager.io/v1). What is not here is
// an error until it is looked up.

import type { ResourceRequirements, TopologySpreadConstraint } from 'kubernetes-types/core/v1.d.ts'
import type { ObjectMeta } from 'kubernetes-types/meta/v1.d.ts'

interface Resource<V extends string, K extends string, S> {
  apiVersion: V
  kind: K
  metadata: ObjectMeta
  spec: S
}

type GatewayApi = 'gateway.networking.k8s.io/v1'

export type Gateway = Resource<
  GatewayApi,
  'Gateway',
  {
    gatewayClassName: string
    listeners: {
      name: string
      protocol: 'HTTP' | 'HTTPS' | 'TLS'
      port: number
      hostname?: string
      tls?: { mode?: 'Terminate' | 'Passthrough'; certificateRefs?: { name: string }[] }
      allowedRoutes?: { namespaces?: { from?: 'All' | 'Same' | 'Selector' } }
    }[]
  }
>

export type HTTPRoute = Resource<
  GatewayApi,
  'HTTPRoute',
  {
    parentRefs: { name: string }[]
    hostnames?: string[]
    rules: {
      timeouts?: { request?: string; backendRequest?: string }
      backendRefs: { name: string; port: number }[]
    }[]
  }
>

type CertManager = 'cert-manager.io/v1'

export type Issuer = Resource<CertManager, 'Issuer', { ca: { secretName: string } }>

export type Certificate = Resource<
  CertManager,
  'Certificate',
  {
    secretName: string
    secretTemplate?: { labels?: Record<string, string> }
    commonName?: string
    dnsNames?: string[]
    uris?: string[]
    usages?: ('digital signature' | 'server auth' | 'client auth')[]
    duration?: string
    renewBefore?: string
    privateKey?: { algorithm?: 'ECDSA'; size?: number; rotationPolicy?: 'Always' | 'Never' }
    issuerRef: { name: string; kind?: 'Issuer' | 'ClusterIssuer' }
  }
>

export type Cluster = Resource<
  'postgresql.cnpg.io/v1',
  'Cluster',
  {
    instances: number
    env?: { name: string; value: string }[]
    inheritedMetadata?: { labels?: Record<string, string> }
    postgresql?: {
      synchronous?: {
        method: 'any' | 'first'
        number: number
        dataDurability?: 'required' | 'preferred'
        failoverQuorum?: boolean
      }
      parameters?: Record<string, string>
      pg_hba?: string[]
      pg_ident?: string[]
    }
    certificates?: {
      serverCASecret?: string
      serverTLSSecret?: string
      clientCASecret?: string
      replicationTLSSecret?: string
    }
    bootstrap?: { initdb: { database: string; owner: string; secret: { name: string } } }
    managed?: {
      roles: {
        name: string
        login?: boolean
        inherit?: boolean
        passwordSecret?: { name: string }
      }[]
    }
    storage: { size: string }
    walStorage?: { size: string }
    affinity?: { podAntiAffinityType?: 'preferred' | 'required'; topologyKey?: string }
    topologySpreadConstraints?: TopologySpreadConstraint[]
    resources?: ResourceRequirements
  }
>
