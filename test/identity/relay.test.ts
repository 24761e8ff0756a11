// Goal: the whole relay works with mutual TLS everywhere and no shared secret; new certificates are
// used without a restart, and what is connected goes on.

import { randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openScope } from '@twotick/chassis'
import { issueCertificate } from '../../scripts/servers/certificates.ts'
import { freePort } from '../../scripts/servers/free-port.ts'
import {
  createServiceProcess,
  serviceEnvironments,
  SERVICES,
  type ServiceName,
} from '../../scripts/services.ts'
import { newAccount, sendText, type TestDevice, texts } from '../device.ts'
import { waitFor } from '../wait.ts'
import {
  makeCertificates,
  makeFolder,
  openFiles,
  type SecuredPostgres,
  type ServiceCertificates,
  startSecuredNats,
  startSecuredPostgres,
  startSecuredRedis,
} from './secured.ts'

const scope = openScope('identity', { drainMs: 30_000 })
const output: string[] = []
const devices: TestDevice[] = []
let folder: string
let files: ServiceCertificates
let postgres: SecuredPostgres
let url: string
let storeAt: string
let storeHealth: string

beforeAll(async () => {
  folder = makeFolder('identity')
  files = makeCertificates(folder)
  postgres = await startSecuredPostgres(folder)
  scope.defer('postgres', postgres.stop)
  const nats = await startSecuredNats(folder)
  scope.defer('nats', nats.stop)
  const redis = await startSecuredRedis(folder)
  scope.defer('redis', redis.stop)
  const sealKeyFile = join(folder, 'seal-keys')
  writeFileSync(sealKeyFile, `1 ${randomBytes(32).toString('base64')} once\n`)
  const gatewayListen = `127.0.0.1:${await freePort()}`
  url = `ws://${gatewayListen}`
  const environments = await serviceEnvironments({
    storeUrl: postgres.urlOf('twotick_store'),
    directoryUrl: postgres.urlOf('twotick_directory'),
    natsUrl: nats.url,
    redisUrl: '', // each has its own user, below
    sealKeyFile,
    serviceSecretFile: '', // nobody has one
    gatewayListen,
    logLevel: 'info',
  })
  const store = environments['envelope-store']
  storeAt = store['TWOTICK_LISTEN'] as string
  storeHealth = `http://${store['TWOTICK_HEALTH_LISTEN']}`
  for (const name of ['gateway', 'delivery-fanout'] as const) {
    environments[name]['TWOTICK_REDIS_URL'] = redis.urlOf(name)
  }
  const start = (name: ServiceName) => {
    const { certFile, keyFile, caFile } = files[name]
    const service = createServiceProcess(
      name,
      {
        ...environments[name],
        TWOTICK_SERVICE_CERT_FILE: certFile,
        TWOTICK_SERVICE_KEY_FILE: keyFile,
        TWOTICK_SERVICE_CA_FILE: caFile,
        TWOTICK_SERVICE_RELOAD_MS: '100',
      },
      (line) => output.push(line),
    )
    scope.defer(name, () => service.stop())
    return service.start()
  }
  await Promise.all(SERVICES.map(start)).catch((error: Error) => {
    throw new Error([error.message, ...output].join('\n'), { cause: error })
  })
})

afterAll(async () => {
  await Promise.all(devices.map((device) => device.close()))
  await scope.close()
})

test('a message is pushed live and both its ticks come, over nothing but mutual TLS', async () => {
  const alice = await newAccount(url, 'alice')
  const bob = await newAccount(url, 'bob')
  devices.push(alice, bob)
  const sentAt = Date.now()
  const sent = await sendText(alice, bob, 'hello')
  await sent.stored
  expect((await sent.delivered).delivered).toEqual([bob.address.accountId])
  await waitFor(() => texts(bob).length === 1)
  // Faster than reconciliation: so NATS and Redis had their part in it.
  expect(Date.now() - sentAt).toBeLessThan(5_000)
  expect(output.filter((line) => /NOPERM|Permissions Violation|not for /.test(line))).toEqual([])

  const client = new pg.Client({ connectionString: postgres.ownerUrl })
  await client.connect()
  const { rows } = await client.query(
    `select usename, ssl from pg_stat_activity join pg_stat_ssl using (pid)
      where usename like 'twotick%' group by 1, 2 order by 1`,
  )
  await client.end()
  expect(rows).toEqual([
    { usename: 'twotick_directory', ssl: true },
    { usename: 'twotick_store', ssl: true },
  ])
})

test('new certificates are used from the next connection on, and open ones go on', async () => {
  const before = await shownSerial()
  const endBefore = await measuredEnd()
  expect(endBefore).toBe(endOf(files['envelope-store'].certFile))
  await sleep(1_000) // no end is finer than a second
  const open = await connectAsGateway()
  for (const name of ['envelope-store', 'gateway'] as const) {
    issueCertificate(folder, { name, alternativeNames: [`URI:spiffe://twotick/${name}`] })
  }
  await waitFor(async () => (await shownSerial()) !== before)
  expect(await measuredEnd()).toBe(endOf(files['envelope-store'].certFile))
  expect(await measuredEnd()).toBeGreaterThan(endBefore)
  expect(open.destroyed).toBe(false)
  open.destroy()

  const [alice, bob] = devices as [TestDevice, TestDevice]
  const sent = await sendText(alice, bob, 'still there')
  await sent.delivered
  await waitFor(() => texts(bob).includes('still there'))

  // Half a change is no change: a key without its certificate is said, and not taken.
  const taken = await shownSerial()
  writeFileSync(files['envelope-store'].keyFile, 'no key')
  await waitFor(() => output.some((line) => line.includes('certificate files cannot be used')))
  expect(await shownSerial()).toBe(taken)
})

function endOf(certFile: string): number {
  return Date.parse(new X509Certificate(readFileSync(certFile)).validTo) / 1_000
}

/** When envelope-store says that its certificate ends. */
async function measuredEnd(): Promise<number> {
  const page = await (await fetch(`${storeHealth}/metrics`)).text()
  const [, seconds] =
    /^twotick_certificate_not_after_timestamp_seconds{.*} (\d+)$/m.exec(page) ?? []
  return Number(seconds)
}

async function connectAsGateway() {
  const [host, port] = storeAt.split(':')
  const { ca, cert, key } = openFiles(files.gateway, scope).current()
  const options = { host: host ?? '', port: Number(port), ca, cert, key, ALPNProtocols: ['h2'] }
  const socket = connectTls({ ...options, checkServerIdentity: () => undefined })
  await new Promise((resolve, reject) => socket.on('secureConnect', resolve).on('error', reject))
  return socket
}

/** The serial number of the certificate that envelope-store shows to a new connection. */
async function shownSerial(): Promise<string> {
  const socket = await connectAsGateway()
  const { serialNumber } = socket.getPeerCertificate()
  socket.destroy()
  return serialNumber
}
