// Certificates for a relay of one's own, by openssl: an authority, and one certificate for each service
// and server. `npm run certificates -- FOLDER`; the tests make theirs the same way. Where there is
// cert-manager, SPIRE or a company's authority, those do it instead: docs/operations.md says what has to
// be in a certificate.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { requireBinary } from './binaries.ts'

const AUTHORITY_DAYS = 3_650
const CERTIFICATE_DAYS = 90

export interface Subject {
  /** The common name: what Postgres knows a client by. */
  readonly name: string
  /** `URI:spiffe://twotick/gateway`, `DNS:postgres`, `IP:127.0.0.1` */
  readonly alternativeNames: readonly string[]
}

/** The paths that a certificate is used by. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
}

/** Makes an authority, `ca.crt` and `ca.key`, unless the folder has one. */
export function makeAuthority(folder: string): void {
  mkdirSync(folder, { recursive: true })
  if (existsSync(join(folder, 'ca.crt'))) return
  openssl(folder, [
    ...['req', '-x509', ...newKey('ca.key'), '-out', 'ca.crt', '-days', String(AUTHORITY_DAYS)],
    ...['-subj', '/CN=twotick authority', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  ])
}

/** Issues a certificate by the folder's authority: `tls.crt` and `tls.key` in a folder of its name. */
export function issueCertificate(folder: string, subject: Subject): CertificateFiles {
  const { name, alternativeNames } = subject
  const own = resolve(folder, name) // openssl runs in the folder
  mkdirSync(own, { recursive: true })
  const request = join(own, 'request')
  const extensions = join(own, 'extensions')
  writeFileSync(
    extensions,
    [
      'basicConstraints = critical, CA:FALSE',
      'keyUsage = critical, digitalSignature',
      'extendedKeyUsage = serverAuth, clientAuth',
      `subjectAltName = ${alternativeNames.join(', ')}`,
    ].join('\n'),
  )
  const certFile = join(own, 'tls.crt')
  const keyFile = join(own, 'tls.key')
  openssl(folder, ['req', '-new', ...newKey(keyFile), '-out', request, '-subj', `/CN=${name}`])
  openssl(folder, [
    ...['x509', '-req', '-in', request, '-CA', 'ca.crt', '-CAkey', 'ca.key'],
    ...['-set_serial', `0x${randomBytes(16).toString('hex')}`, '-days', String(CERTIFICATE_DAYS)],
    ...['-extfile', extensions, '-out', certFile],
  ])
  rmSync(request)
  rmSync(extensions)
  return { certFile, keyFile, caFile: join(folder, 'ca.crt') }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file]
}

function openssl(folder: string, args: string[]): void {
  execFileSync(requireBinary('openssl'), args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
}
