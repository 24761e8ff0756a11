// The certificates of mutual TLS: three files, whose contents are taken anew when they change, without
// a restart. What is in use is always a whole that fits together: a key that is not its certificate's,
// or a file half written, is said in the log and not taken; the former ones stay.
//
// A connection keeps the certificates that it was opened with; each new one has the latest.

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Logger } from './log.ts'
import { openMeter } from './meter.ts'
import type { Scope } from './scope.ts'

/** What `tlsFields` reads. All three files, or none. */
export interface CertificateSettings {
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  readonly caFile?: string | undefined
  readonly identityPrefix: string
  readonly reloadMs: number
}

/** PEM, as it is in the files. */
export interface CertificateSet {
  readonly cert: Buffer
  readonly key: Buffer
  readonly ca: Buffer
}

export interface Certificates {
  /** What a service's URI in its certificate begins with; its name is the rest. */
  readonly identityPrefix: string
  current(): CertificateSet
  /** Called with each new set that is taken. */
  onChange(listener: (set: CertificateSet) => void): () => void
}

/**
 * Reads the files, and looks at them every `reloadMs` from then on; undefined where none are named.
 * Throws if what is there at the start cannot be used.
 */
export function openCertificates(
  settings: CertificateSettings,
  { defer, log }: Pick<Scope, 'defer' | 'log'>,
): Certificates | undefined {
  const { certFile, keyFile, caFile, identityPrefix, reloadMs } = settings
  if (certFile === undefined || keyFile === undefined || caFile === undefined) return undefined
  const files = { certFile, keyFile, caFile }
  const listeners = new Set<(set: CertificateSet) => void>()
  let current = readSet(files)
  measureEnd(() => current)
  let wrong = ''

  const reload = () => {
    try {
      const set = readSet(files)
      wrong = ''
      if (isSame(set, current)) return
      current = set
      log.info('certificates are taken anew')
    } catch (error) {
      sayOnce(String(error))
      return
    }
    for (const listener of listeners) listener(current)
  }
  /** One line for what is wrong, not one each look. */
  const sayOnce = (reason: string) => {
    if (reason !== wrong) warn(log, reason)
    wrong = reason
  }

  const timer = setInterval(reload, reloadMs).unref()
  defer('certificates', () => clearInterval(timer))
  return {
    identityPrefix,
    current: () => current,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function measureEnd(current: () => CertificateSet): void {
  let measured: CertificateSet | undefined
  let end: number | undefined
  openMeter('certificates').gauge(
    'twotick.certificate.not_after_timestamp_seconds',
    'when the certificate in use ends, in Unix time',
    () => {
      if (measured !== current()) {
        measured = current()
        end = new X509Certificate(measured.cert).validToDate.getTime() / 1_000
      }
      return end
    },
  )
}

function warn(log: Logger, reason: string): void {
  log.warn({ reason }, 'the certificate files cannot be used: going on with the former ones')
}

type Files = Readonly<Record<'certFile' | 'keyFile' | 'caFile', string>>

function readSet({ certFile, keyFile, caFile }: Files): CertificateSet {
  const set = {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ca: readFileSync(caFile),
  }
  createSecureContext(set) // throws where they do not fit together
  return set
}

function isSame(a: CertificateSet, b: CertificateSet): boolean {
  return a.cert.equals(b.cert) && a.key.equals(b.key) && a.ca.equals(b.ca)
}

/** What a TLS library is given, as PEM; each reading of a field is of the latest certificates. */
export interface TlsOptions {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
}

/**
 * For a library that reads its options anew for each connection. `caFile` names the authorities of a
 * server that has others; without it and without certificates those of the system are believed.
 */
export function tlsOptions(certificates: Certificates | undefined, caFile?: string): TlsOptions {
  const authorities = caFile === undefined ? undefined : latestOf(caFile)
  if (certificates !== undefined) {
    return {
      get cert() {
        return certificates.current().cert.toString()
      },
      get key() {
        return certificates.current().key.toString()
      },
      get ca() {
        return (authorities?.() ?? certificates.current().ca).toString()
      },
    }
  }
  if (authorities === undefined) return {}
  return {
    get ca() {
      return authorities().toString()
    },
  }
}

/** What the file holds, or last held. */
function latestOf(file: string): () => Buffer {
  let latest = readFileSync(file)
  return () => {
    try {
      latest = readFileSync(file)
      return latest
    } catch {
      return latest
    }
  }
}
