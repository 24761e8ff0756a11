// `npm run certificates -- FOLDER`: an authority in FOLDER, and below it a folder with tls.crt, tls.key
// for each service and server. Run again, it issues new certificates by the same authority.

import { chmodSync } from 'node:fs'
import { resolve } from 'node:path'
import { SERVICE_NAMES } from '@twotick/chassis'
import { issueCertificate, makeAuthority } from './servers/certificates.ts'

const SERVERS = ['postgres', 'nats', 'redis']

const [folder] = process.argv.slice(2)
if (folder === undefined || folder.startsWith('-')) {
  console.error('Where to? npm run certificates -- FOLDER')
  process.exit(2)
}
const issue = (name: string, alternativeNames: readonly string[]) =>
  chmodSync(issueCertificate(folder, { name, alternativeNames }).keyFile, 0o644)

makeAuthority(folder)
// Nobody else gets in; a container that is shown a folder of it reads the key there as a user of its own.
chmodSync(folder, 0o700)
for (const name of SERVICE_NAMES) {
  issue(name, [`URI:spiffe://twotick/${name}`])
}
for (const name of SERVERS) {
  issue(name, [`DNS:${name}`, 'DNS:localhost'])
}
console.log(`${resolve(folder)}: ca.crt, and tls.crt with tls.key for each of

  ${[...SERVICE_NAMES, ...SERVERS].join('  ')}

Certificates serve 90 days. Keep ca.key where nothing else is.`)
