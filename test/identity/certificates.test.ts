// Goal: `npm run certificates` makes what deploy/compose.mtls.yml shows to containers, by the words of
// docs/operations.md: in a folder that is named from the checkout.

import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SERVICE_NAMES } from '@twotick/chassis'
import { expect, onTestFinished, test } from 'vitest'

const SCRIPT = join(import.meta.dirname, '../../scripts/certificates.ts')

test('a relative folder is filled, and filled again by the same authority', () => {
  const here = mkdtempSync(join(tmpdir(), 'twotick-certificates-'))
  onTestFinished(() => rmSync(here, { recursive: true }))
  const make = () => execFileSync(process.execPath, [SCRIPT, 'deploy/made'], { cwd: here })
  const read = (file: string) => new X509Certificate(readFileSync(join(here, 'deploy/made', file)))

  make()
  const authority = read('ca.crt')
  const first = read('gateway/tls.crt')
  make()
  expect(read('ca.crt').fingerprint256).toBe(authority.fingerprint256)
  expect(read('gateway/tls.crt').fingerprint256).not.toBe(first.fingerprint256)
  for (const name of [...SERVICE_NAMES, 'postgres', 'nats', 'redis']) {
    const certificate = read(`${name}/tls.crt`)
    expect(certificate.subject).toBe(`CN=${name}`)
    expect(certificate.verify(authority.publicKey)).toBe(true)
  }
  // Nobody else gets in, and a container that is shown a part of it can read that.
  expect(statSync(join(here, 'deploy/made')).mode & 0o777).toBe(0o700)
  expect(statSync(join(here, 'deploy/made/gateway/tls.key')).mode & 0o777).toBe(0o644)
})
