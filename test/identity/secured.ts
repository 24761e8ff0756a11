// Postgres, NATS and Redis with mutual TLS and the files that operators run them with (deploy/), and a
// certificate for each service, made by the test.

import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import {
  type Certificates,
  openCertificates,
  type Scope,
  SERVICE_NAMES,
  type ServiceName,
} from '@twotick/chassis'
import { inject } from 'vitest'
import { passwordPlaceholder } from '../../scripts/permission-files.ts'
import { PRESENCE_RIGHTS } from '../../scripts/permission-tables.ts'
import { requireBinary } from '../../scripts/servers/binaries.ts'
import {
  type CertificateFiles,
  issueCertificate,
  makeAuthority,
} from '../../scripts/servers/certificates.ts'
import { createDatabase, prepareDatabase, withDatabase } from '../../scripts/servers/database.ts'
import { freePort, onFreePort } from '../../scripts/servers/free-port.ts'
import { launch, type ServerProcess } from '../../scripts/servers/launch.ts'
import { type PrivatePostgres, startPrivatePostgres } from '../../scripts/servers/postgres.ts'
import { serverUser } from '../../scripts/servers/unprivileged.ts'

const DEPLOY = join(import.meta.dirname, '../../deploy')
const PREFIX = 'spiffe://twotick/'

export type ServiceCertificates = Readonly<Record<ServiceName, CertificateFiles>>

/** A folder that the servers' user gets into. */
export function makeFolder(name: string): string {
  const folder = mkdtempSync(join(inject('postgres').runFolder, `${name}-`))
  chmodSync(folder, 0o755)
  return folder
}

/** An authority and a certificate for each service, as operators are told to make them. */
export function makeCertificates(folder: string): ServiceCertificates {
  makeAuthority(folder)
  const issue = (name: ServiceName) =>
    issueCertificate(folder, { name, alternativeNames: [`URI:${PREFIX}${name}`] })
  return Object.fromEntries(SERVICE_NAMES.map((name) => [name, issue(name)])) as ServiceCertificates
}

export function openFiles(files: CertificateFiles, scope: Scope, reloadMs = 10_000): Certificates {
  const settings = { ...files, identityPrefix: PREFIX, reloadMs }
  return openCertificates(settings, scope) as Certificates
}

/** Of a server at localhost, readable by it alone. */
function serverCertificate(folder: string, name: string): CertificateFiles {
  const files = issueCertificate(folder, { name, alternativeNames: ['DNS:localhost'] })
  const user = serverUser()
  if (user !== null) chownSync(files.keyFile, user.uid, user.gid)
  chmodSync(files.keyFile, 0o600)
  return files
}

const PROCESS = { stopSignal: 'SIGINT', orphanSignal: 'KILL' } as const

export async function startSecuredNats(folder: string) {
  const { certFile, keyFile, caFile } = serverCertificate(folder, 'nats')
  const server = await onFreePort('nats', (port) =>
    launch({
      ...PROCESS,
      name: 'nats-server',
      command: requireBinary('nats-server'),
      args: ['-c', join(DEPLOY, 'nats/nats.conf'), '--addr', '127.0.0.1', '--port', String(port)],
      readyLine: 'Server is ready',
      user: serverUser(),
      env: {
        TWOTICK_NATS_CERT: certFile,
        TWOTICK_NATS_KEY: keyFile,
        TWOTICK_NATS_CA: caFile,
      },
    }),
  )
  return { stop: server.stop, url: server.url.replace('nats://127.0.0.1', 'tls://localhost') }
}

export interface SecuredRedis {
  readonly stop: ServerProcess['stop']
  /** As a service: with its password, or one that is nobody's. */
  urlOf(service: string): string
}

export async function startSecuredRedis(folder: string): Promise<SecuredRedis> {
  const { certFile, keyFile, caFile } = serverCertificate(folder, 'redis')
  let users = readFileSync(join(DEPLOY, 'redis/users.acl'), 'utf8')
  const passwords: Record<string, string> = {}
  for (const service of Object.keys(PRESENCE_RIGHTS)) {
    const password = (passwords[service] = randomBytes(16).toString('hex'))
    const hash = createHash('sha256').update(password).digest('hex')
    users = users.replace(passwordPlaceholder(service), hash)
  }
  const usersFile = join(folder, 'users.acl')
  writeFileSync(usersFile, users)
  const server = await onFreePort('redis', (port) =>
    launch({
      ...PROCESS,
      name: 'redis-server',
      command: requireBinary('redis-server'),
      args: [
        ...['--bind', '127.0.0.1', '--port', '0', '--tls-port', String(port), '--save', ''],
        ...['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', caFile],
        ...['--tls-auth-clients', 'yes', '--aclfile', usersFile],
      ],
      readyLine: 'Ready to accept connections',
      user: serverUser(),
    }),
  )
  const port = new URL(server.url).port
  return {
    stop: server.stop,
    urlOf: (service) => `rediss://${service}:${passwords[service] ?? 'none'}@localhost:${port}`,
  }
}

export interface SecuredPostgres {
  readonly stop: PrivatePostgres['stop']
  /** As the owner, through the socket. */
  readonly ownerUrl: string
  /** As a role, with the certificate that the connection shows. */
  urlOf(role: string): string
}

export async function startSecuredPostgres(folder: string): Promise<SecuredPostgres> {
  const { certFile, keyFile, caFile } = serverCertificate(folder, 'postgres')
  // The owner is whoever runs the test, and not the socket's peer of that name.
  const access = readFileSync(join(DEPLOY, 'postgres/pg_hba.conf'), 'utf8')
  const accessFile = join(folder, 'pg_hba.conf')
  writeFileSync(accessFile, access.replace(/^local .* peer$/m, 'local all postgres trust'))
  const mapFile = join(folder, 'pg_ident.conf')
  copyFileSync(join(DEPLOY, 'postgres/pg_ident.conf'), mapFile)
  const port = await freePort()
  const data = join(folder, 'data')
  mkdirSync(data)
  const user = serverUser()
  if (user !== null) chownSync(data, user.uid, user.gid)
  const server = await startPrivatePostgres({
    dataFolder: join(data, 'postgres'),
    socketFolder: join(data, 's'),
    fsync: false,
    settings: {
      listen_addresses: '127.0.0.1',
      port: String(port),
      ssl: 'on',
      ssl_cert_file: certFile,
      ssl_key_file: keyFile,
      ssl_ca_file: caFile,
      hba_file: accessFile,
      ident_file: mapFile,
    },
  })
  const superuser = `${server.url}&port=${port}`
  await createDatabase(superuser, 'twotick')
  const ownerUrl = withDatabase(superuser, 'twotick')
  await prepareDatabase(ownerUrl)
  return {
    stop: server.stop,
    ownerUrl,
    urlOf: (role) => `postgres://${role}@localhost:${port}/twotick?sslmode=verify-full`,
  }
}
