// `npm run certificates -- FOLDER`: an authority in FOLDER, and below it a folder with tls.crt, tls.key
// for each service and server. Run again, it issues new certificates by the same authority.

import { resolve } from 'node:path'
import { SERVICE_NAMES } from '@twotick/chassis'
import { issueCertificate, makeAuthority } from './servers/certificates.ts'

const SERVERS = ['postgres', 'nats', 'redis']

const [folder] = process.argv.slice(2)
if (folder === undefined || folder.startsWith('-')) {
  console.error('Where to? npm run certificates -- FOLDER')
  process.exit(2)
}
makeAuthority(folder)
for (const name of SERVICE_NAMES) {
  issueCertificate(folder, { name, alternativeNames: [`URI:spiffe://twotick/${name}`] })
}
for (const name of SERVERS) {
  issueCertificate(folder, { name, alternativeNames: [`DNS:${name}`, 'DNS:localhost'] })
}
console.log(`${resolve(folder)}: ca.crt, and tls.crt with tls.key for each of

  ${[...SERVICE_NAMES, ...SERVERS].join('  ')}

Certificates serve 90 days. Keep ca.key where nothing else is.`)
