// Mutual TLS for gRPC. Who one is stands in one's certificate, as the URI that SPIFFE has made usual:
// the prefix and then the service's name, `spiffe://twotick/gateway`. Both ends check the other's: a
// server to look its caller up in the table, a client so that nobody else answers for the service that
// it means. Host names play no part, so a certificate serves at any address.

import { type ChannelCredentials, experimental, type ServerCredentials } from '@grpc/grpc-js'
import type { PeerCertificate } from 'node:tls'
import { isServiceName, type ServiceName } from './callers.ts'
import type { Certificates, CertificateSet } from './certificates.ts'

/** Shows the service's own certificate, and takes only clients with one of the same authority. */
export function tlsServerCredentials(certificates: Certificates): ServerCredentials {
  const provider = providerOf(certificates)
  return experimental.createCertificateProviderServerCredentials(provider, provider, true)
}

/** Shows the service's own certificate, and takes only a server whose certificate names `server`. */
export function tlsChannelCredentials(
  certificates: Certificates,
  server: ServiceName,
): ChannelCredentials {
  const provider = providerOf(certificates)
  return experimental.createCertificateProviderChannelCredentials(provider, provider, {
    checkServerIdentity(host, certificate) {
      const name = serviceIn(certificate, certificates.identityPrefix)
      if (name === server) return undefined
      return new Error(`${host} is ${name ?? 'no service of ours'} and not ${server}`)
    },
  })
}

/** The one service that a certificate names; undefined if it names none, or more than one. */
export function serviceIn(
  { subjectaltname: names = '' }: Pick<PeerCertificate, 'subjectaltname'>,
  identityPrefix: string,
): ServiceName | undefined {
  // Node quotes a name that could pass for a list of names. None of ours needs that.
  if (names.includes('"')) return undefined
  const services = names
    .split(', ')
    .filter((name) => name.startsWith(`URI:${identityPrefix}`))
    .map((name) => name.slice(`URI:${identityPrefix}`.length))
  const [service = ''] = services
  return services.length === 1 && isServiceName(service) ? service : undefined
}

/** The certificates as grpc-js wants to be told of them: soon, and again at each change. */
function providerOf(certificates: Certificates): experimental.CertificateProvider {
  const caListeners = createListeners(certificates, ({ ca }) => ({ caCertificate: ca }))
  const ownListeners = createListeners(certificates, ({ cert, key }) => ({
    certificate: cert,
    privateKey: key,
  }))
  return {
    addCaCertificateListener: caListeners.add,
    removeCaCertificateListener: caListeners.remove,
    addIdentityCertificateListener: ownListeners.add,
    removeIdentityCertificateListener: ownListeners.remove,
  }
}

function createListeners<T>(certificates: Certificates, part: (set: CertificateSet) => T) {
  const removals = new Map<(update: T | null) => void, () => void>()
  return {
    add(listener: (update: T | null) => void) {
      removals.set(
        listener,
        certificates.onChange((set) => listener(part(set))),
      )
      process.nextTick(() => {
        if (removals.has(listener)) listener(part(certificates.current()))
      })
    },
    remove(listener: (update: T | null) => void) {
      removals.get(listener)?.()
      removals.delete(listener)
    },
  }
}
