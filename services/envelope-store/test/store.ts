// A running envelope-store for a test: by its own `start`, on a database and a NATS of its own, with
// the few requests that tests make again and again.

import { connectNats, createLog, grpcClient, openScope, readConfig, unary } from '@twotick/chassis'
import type { AccountId, DeviceAddress, StatusItem } from '@twotick/protocol'
import {
  type AckWrite,
  type Append,
  Appended,
  type ChangeReply,
  EnvelopeStoreClient,
  type Fetched,
  type Tick,
  TicksDelivered,
  type Verdict,
  type WriteReply,
} from '@twotick/protocol/services'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startNats, testDatabase, type TestDatabase } from '../../../test/servers.ts'
import { configSchema } from '../src/config.ts'
import { start } from '../src/start.ts'

export type TestStore = Awaited<ReturnType<typeof startStore>>

const DEADLINE_MS = 10_000

export interface StoreChoice {
  readonly environment?: Readonly<Record<string, string>>
  readonly database?: TestDatabase
  readonly natsUrl?: string
  /** Whose keys to take: a replica's. */
  readonly keyFrom?: { readonly keyFile: string }
}

export async function startStore(choice: StoreChoice = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'twotick-store-'))
  const secretFile = join(folder, 'secret')
  const keyFile = choice.keyFrom?.keyFile ?? join(folder, 'keys')
  await writeFile(secretFile, randomBytes(32).toString('hex'))
  if (choice.keyFrom === undefined)
    await writeFile(keyFile, `1 ${randomBytes(32).toString('base64')} once\n`)
  const database = choice.database ?? (await testDatabase())
  const nats = choice.natsUrl === undefined ? await startNats() : undefined
  const natsUrl = choice.natsUrl ?? nats?.url ?? ''

  const config = readConfig(configSchema, {
    TWOTICK_POSTGRES_URL: database.storeUrl,
    TWOTICK_NATS_URL: natsUrl,
    TWOTICK_LISTEN: '127.0.0.1:0',
    TWOTICK_SERVICE_SECRET_FILE: secretFile,
    TWOTICK_SEAL_KEY_FILE: keyFile,
    TWOTICK_DURABILITY: 'single',
    ...choice.environment,
  })
  const scope = openScope('envelope-store')
  const { port } = await start(config, scope)
  const clientOf = (service: 'gateway' | 'expiry') =>
    grpcClient(EnvelopeStoreClient, { target: `127.0.0.1:${port}`, service, secretFile })
  const client = clientOf('gateway')
  const expiry = clientOf('expiry')
  const { epoch } = await unary(client, 'getEpoch', {}, { deadlineMs: DEADLINE_MS })

  const bus = await connectNats({ url: natsUrl }, createLog('test', 'error'))
  const heard = { mailboxes: [] as Appended['mailboxes'], ticks: [] as Tick[] }
  bus.subscribe('mailbox.appended', (data) => {
    heard.mailboxes.push(...Appended.decode(data).mailboxes)
  })
  bus.subscribe('mailbox.delivered', (data) => {
    heard.ticks.push(...TicksDelivered.decode(data).ticks)
  })
  await bus.flush()

  const sql = new pg.Pool({ connectionString: database.url, max: 2 })
  sql.on('error', () => undefined)

  const writes = writing(client, epoch)
  return {
    epoch,
    db: sql,
    client,
    expiry,
    database,
    heard,
    natsUrl,
    keyFile,
    ...writes,
    ...asking(client, epoch),
    ...leaving({ client, expiry, epoch }),
    /** Rows of a query, as the superuser. */
    async rows<R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
      return (await sql.query<R>(text, values)).rows
    },
    async close() {
      writes.endWrites()
      client.close()
      expiry.close()
      await scope.close()
      await bus.drain()
      await sql.end()
      await nats?.stop()
      if (choice.database === undefined) await database.drop()
      await rm(folder, { recursive: true })
    },
  }
}

/** Appends and acks over one stream; verdicts in the order asked for. */
function writing(client: EnvelopeStoreClient, epoch: string) {
  const waiting = new Map<number, (outcome: Verdict['outcome']) => void>()
  const stream = client.write()
  stream.on('data', (reply: WriteReply) => {
    for (const verdict of reply.verdicts) waiting.get(verdict.id)?.(verdict.outcome)
  })
  stream.on('error', () => undefined)
  let lastId = 0
  async function write(appends: Omit<Append, 'id'>[], acks: Omit<AckWrite, 'id'>[] = []) {
    const numbered = <T>(item: T) => ({ ...item, id: (lastId += 1) })
    const request = { epoch, appends: appends.map(numbered), acks: acks.map(numbered) }
    const verdicts = [...request.appends, ...request.acks].map(({ id }) => {
      const { promise, resolve } = Promise.withResolvers<Verdict['outcome']>()
      waiting.set(id, resolve)
      return promise.finally(() => waiting.delete(id))
    })
    stream.write(request)
    return Promise.all(verdicts)
  }
  return {
    endWrites: () => stream.end(),
    write,
    append: async (append: Omit<Append, 'id'>) => (await write([append]))[0],
    ack: async (device: DeviceAddress, seq: number, rest: Partial<AckWrite> = {}) =>
      (await write([], [{ device, seq, failed: [], names: [], ...rest }]))[0],
  }
}

function asking(client: EnvelopeStoreClient, epoch: string) {
  const call = { deadlineMs: DEADLINE_MS }
  return {
    /** After the newest that there is, or after another one that the test has seen. */
    async openSession(device: DeviceAddress, after?: number) {
      const { heads } = await unary(client, 'getHeads', { epoch, devices: [device] }, call)
      const afterSession = after ?? heads[0]?.session ?? 0
      const { outcome } = await unary(client, 'openSession', { epoch, device, afterSession }, call)
      if (outcome?.$case !== 'opened') throw new Error('not opened', { cause: outcome })
      return outcome.value
    },
    /** As a gateway of an older release does. */
    openAsBefore: (device: DeviceAddress) =>
      unary(client, 'openSession', { epoch: '', device }, call),
    async fetch(device: DeviceAddress, { afterSeq = 0, entriesMax = 1_000 } = {}) {
      const bounds = { afterSeq, entriesMax, bytesMax: 8_388_608 }
      const { outcome } = await unary(client, 'fetch', { epoch, device, ...bounds }, call)
      if (outcome?.$case !== 'fetched') throw new Error('not fetched', { cause: outcome })
      return outcome.value satisfies Fetched
    },
    heads: async (...devices: DeviceAddress[]) =>
      (await unary(client, 'getHeads', { epoch, devices }, call)).heads,
    createMailbox: (device: DeviceAddress) =>
      unary(client, 'createMailbox', { epoch, device }, call),
    addDevice: (device: DeviceAddress) => unary(client, 'addDevice', { epoch, device }, call),
    /** An account with devices 1 to `count`, all with a cursor. */
    async account(count = 1): Promise<DeviceAddress[]> {
      const accountId = randomUUID() as AccountId
      const devices = Array.from({ length: count }, (_, index) => ({
        accountId,
        deviceId: index + 1,
      }))
      for (const device of devices) {
        const reply = await unary(
          client,
          device.deviceId === 1 ? 'createMailbox' : 'addDevice',
          { epoch, device },
          call,
        )
        if (!reply.done) throw new Error('not made', { cause: reply.refusal })
      }
      return devices
    },
  }
}

/** What takes bounded steps: each until it is done. */
function leaving(to: { client: EnvelopeStoreClient; expiry: EnvelopeStoreClient; epoch: string }) {
  const { client, expiry, epoch } = to
  const call = { deadlineMs: DEADLINE_MS }
  async function untilDone(step: () => Promise<ChangeReply>): Promise<number> {
    for (let steps = 1; ; steps++) {
      const reply = await step()
      if (reply.refusal !== undefined) throw new Error('refused', { cause: reply.refusal })
      if (reply.done) return steps
    }
  }
  const removeStep = (device: DeviceAddress) =>
    unary(client, 'removeDevice', { epoch, device }, call)
  const deleteStep = (accountId: AccountId) =>
    unary(client, 'deleteMailbox', { epoch, accountId }, call)
  return {
    removeStep,
    deleteStep,
    removeDevice: (device: DeviceAddress) => untilDone(() => removeStep(device)),
    deleteMailbox: (accountId: AccountId) => untilDone(() => deleteStep(accountId)),
    /** One round over all mailboxes. */
    async expire({ mailboxesMax = 100, entriesMax = 100 } = {}) {
      const total = { expired: 0, noticed: 0, steps: 0 }
      let afterAccountId = ''
      do {
        const request = { epoch, afterAccountId, mailboxesMax, entriesMax }
        const reply = await unary(expiry, 'expire', request, call)
        if (reply.refusal !== undefined) throw new Error('refused', { cause: reply.refusal })
        total.expired += reply.expired
        total.noticed += reply.noticed
        total.steps += 1
        afterAccountId = reply.nextAccountId
      } while (afterAccountId !== '')
      return total
    },
    async status(asker: DeviceAddress, recipientAccountId: AccountId, items: StatusItem[]) {
      const request = { epoch, asker, recipientAccountId, items }
      const { outcome } = await unary(client, 'getStatus', request, call)
      if (outcome?.$case !== 'found') throw new Error('no status', { cause: outcome })
      return { ...outcome.value, states: outcome.value.answers.map((answer) => answer.state) }
    },
  }
}
