// The services that expiry works with, each by its own `start` in this process, on one database and
// one NATS; and the state that a crash leaves behind, made by SQL.

import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { grpcClient, openScope, type OpenScope, readConfig, unary } from '@twotick/chassis'
import { type DeviceAddress, EnvelopeType, isAccountId } from '@twotick/protocol'
import {
  EnvelopeStoreClient,
  type Fetched,
  MetadataValidationClient,
  type WriteReply,
} from '@twotick/protocol/services'
import { freePort } from '../../../scripts/servers/free-port.ts'
import { startNats, testDatabase } from '../../../test/servers.ts'
import { configSchema as storeSchema } from '../../envelope-store/src/config.ts'
import { start as startStoreService } from '../../envelope-store/src/start.ts'
import { configSchema as validationSchema } from '../../metadata-validation/src/config.ts'
import { start as startValidationService } from '../../metadata-validation/src/start.ts'
import { configSchema } from '../src/config.ts'
import { start } from '../src/start.ts'

const CALL = { deadlineMs: 5_000 }

export type Rig = Awaited<ReturnType<typeof openRig>>

/** Opens servers and clients; the services are started by the test. */
export async function openRig() {
  const folder = await mkdtemp(join(tmpdir(), 'twotick-expiry-'))
  const secretFile = join(folder, 'secret')
  const sealKeyFile = join(folder, 'seal-keys')
  await writeFile(secretFile, randomBytes(32).toString('hex'))
  await writeFile(sealKeyFile, `1 ${randomBytes(32).toString('base64')} once\n`)
  const database = await testDatabase()
  const nats = await startNats()
  const sql = new Client({ connectionString: database.url })
  await sql.connect()
  const storeTarget = `127.0.0.1:${await freePort()}`
  const validationTarget = `127.0.0.1:${await freePort()}`
  const gateway = { service: 'gateway', secretFile } as const
  const store = grpcClient(EnvelopeStoreClient, { ...gateway, target: storeTarget })
  const directory = grpcClient(MetadataValidationClient, { ...gateway, target: validationTarget })
  const common = { TWOTICK_NATS_URL: nats.url, TWOTICK_SERVICE_SECRET_FILE: secretFile }
  const scopes: OpenScope[] = []

  async function open(name: string, begin: (scope: OpenScope) => Promise<unknown>) {
    const scope = openScope(name, { drainMs: 5_000 })
    scopes.push(scope)
    await begin(scope)
    return scope
  }

  return {
    sql,
    store,
    directory,
    async startStore() {
      const config = readConfig(storeSchema, {
        ...common,
        TWOTICK_POSTGRES_URL: database.storeUrl,
        TWOTICK_LISTEN: storeTarget,
        TWOTICK_SEAL_KEY_FILE: sealKeyFile,
        TWOTICK_DURABILITY: 'single',
      })
      const scope = await open('envelope-store', (opened) => startStoreService(config, opened))
      await promisify(store.waitForReady.bind(store))(Date.now() + CALL.deadlineMs)
      return scope
    },
    startValidation: () =>
      open('metadata-validation', (scope) =>
        startValidationService(
          readConfig(validationSchema, {
            ...common,
            TWOTICK_POSTGRES_URL: database.directoryUrl,
            TWOTICK_LISTEN: validationTarget,
          }),
          scope,
        ),
      ),
    startExpiry: (environment: Record<string, string> = {}) =>
      open('expiry', (scope) =>
        start(
          readConfig(configSchema, {
            TWOTICK_SERVICE_SECRET_FILE: secretFile,
            TWOTICK_STORE_TARGET: storeTarget,
            TWOTICK_VALIDATION_TARGET: validationTarget,
            TWOTICK_SWEEP_INTERVAL_MS: '100',
            TWOTICK_UNLINK_INTERVAL_MS: '100',
            ...environment,
          }),
          scope,
        ),
      ),
    async close() {
      for (const scope of scopes.reverse()) await scope.close()
      store.close()
      directory.close()
      await sql.end()
      await nats.stop()
      await database.drop()
      await rm(folder, { recursive: true })
    },
  }
}

/** An account of the directory as a crash may leave it; `since` is a minute ago. */
export async function insertAccount(
  { sql }: Rig,
  state: 'creating' | 'active' | 'deleting',
): Promise<DeviceAddress['accountId']> {
  const accountId = randomUUID()
  if (!isAccountId(accountId)) throw new Error('no account id')
  await sql.query(
    `insert into directory.account (account_id, handle, state, since, next_device_id)
     values ($1, $2, $3, now() - interval '1 minute', 10)`,
    [accountId, accountId.slice(0, 18), state],
  )
  return accountId
}

export async function insertDevice(
  { sql }: Rig,
  { accountId, deviceId }: DeviceAddress,
  intent: 'adding' | 'active' | 'removing',
  { evicts, unseenDays = 0 }: { evicts?: number; unseenDays?: number } = {},
): Promise<void> {
  await sql.query(
    `insert into directory.device
       (account_id, device_id, public_key, name, is_primary, intent, since, evicts, seen_on)
     values ($1, $2, $3, 'device', $4, $5, now() - interval '1 minute', $6, current_date - $7::int)`,
    [accountId, deviceId, randomBytes(32), deviceId === 1, intent, evicts ?? null, unseenDays],
  )
}

/** Devices as the directory has them: device id and intent. */
export async function listDevices({ sql }: Rig, accountId: string) {
  const { rows } = await sql.query<{ device_id: number; intent: string }>(
    'select device_id, intent from directory.device where account_id = $1 order by device_id',
    [accountId],
  )
  return rows.map((row) => [row.device_id, row.intent] as const)
}

/** The devices that have a cursor; undefined if there is no mailbox. */
export async function listCursors({ sql }: Rig, accountId: string) {
  const { rows } = await sql.query<Record<string, number | null>>(
    'select d1, d2, d3, d4, d5 from mailbox.mailbox where account_id = $1',
    [accountId],
  )
  const [row] = rows
  return row && Object.values(row).filter((deviceId) => deviceId !== null)
}

export async function countEntries({ sql }: Rig, accountId: string): Promise<number> {
  const { rows } = await sql.query('select from mailbox.entry where account_id = $1', [accountId])
  return rows.length
}

/** An account with its mailbox and these devices, all active. */
export async function makeAccount(rig: Rig, deviceCount: number) {
  const accountId = await insertAccount(rig, 'active')
  const { epoch } = await unary(rig.store, 'getEpoch', {}, CALL)
  for (let deviceId = 1; deviceId <= deviceCount; deviceId += 1) {
    const device = { accountId, deviceId }
    await insertDevice(rig, device, 'active')
    await unary(rig.store, deviceId === 1 ? 'createMailbox' : 'addDevice', { epoch, device }, CALL)
  }
  return accountId
}

/** Sends `count` envelopes from one device to one account; resolves when all are stored. */
export async function send(
  { store }: Rig,
  {
    from,
    to,
    count = 1,
    lifetimeS = 3600,
  }: {
    from: DeviceAddress
    to: string
    count?: number
    lifetimeS?: number
  },
): Promise<void> {
  const { epoch } = await unary(store, 'getEpoch', {}, CALL)
  const { heads } = await unary(store, 'getHeads', { epoch, devices: [from] }, CALL)
  const opening = { epoch, device: from, afterSession: heads[0]?.session ?? 0 }
  const { outcome } = await unary(store, 'openSession', opening, CALL)
  if (outcome?.$case !== 'opened') throw new Error('no session')
  const { session, sentNo } = outcome.value
  const stream = store.write()
  const stored = new Promise<void>((resolve, reject) => {
    let verdicts = 0
    stream.on('error', reject)
    stream.on('data', (reply: WriteReply) => {
      verdicts += reply.verdicts.length
      const bad = reply.verdicts.find((verdict) => verdict.outcome?.$case !== 'stored')
      if (bad !== undefined) reject(new Error(JSON.stringify(bad)))
      if (verdicts === count) resolve()
    })
  })
  const appends = Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    sender: from,
    session,
    no: sentNo + index + 1,
    prevNo: sentNo + index,
    tag: randomBytes(8),
    to: { to: { $case: 'accountId' as const, value: to } },
    type: EnvelopeType.MESSAGE,
    lifetimeS,
    recipientAccountIds: [to],
    ciphertext: randomBytes(16),
    parts: [],
  }))
  stream.write({ epoch, appends, acks: [] })
  await stored
  stream.end()
}

/** What waits for a device. */
export async function fetch({ store }: Rig, device: DeviceAddress): Promise<Fetched> {
  const { epoch } = await unary(store, 'getEpoch', {}, CALL)
  const request = { epoch, device, afterSeq: 0, entriesMax: 1000, bytesMax: 1_000_000 }
  const { outcome } = await unary(store, 'fetch', request, CALL)
  if (outcome?.$case !== 'fetched') throw new Error('not fetched')
  return outcome.value
}
