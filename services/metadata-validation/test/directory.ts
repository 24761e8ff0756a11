// A running metadata-validation for a test: by its own `start`, on a database and a NATS of its own,
// with the devices and requests that tests make again and again. The store is not there: a test says
// itself that a pending step is done.

import { grpcClient, openScope, readConfig, unary } from '@twotick/chassis'
import {
  type AccountId,
  type Address,
  type DeviceAddress,
  EnvelopeType,
  type RefusalCode,
  type Request,
  type Response,
  signedClaim,
  signedHello,
  signedLink,
  signedRegister,
} from '@twotick/protocol'
import {
  type DirectoryReply,
  MetadataValidationClient,
  type Pending,
  type SendMetadata,
  type SendVerdict,
} from '@twotick/protocol/services'
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import {
  startNats,
  testDatabase,
  type TestDatabase,
  type TestServer,
} from '../../../test/servers.ts'
import { configSchema, start } from '../src/index.ts'

const AUDIENCE = 'relay.test'
const TIMEOUT = { deadlineMs: 10_000 }

export interface Keys {
  readonly privateKey: KeyObject
  readonly publicKey: Uint8Array
}

/** A device with its keys. */
export interface TestDevice extends Keys {
  readonly address: DeviceAddress
  readonly handle: string
}

export type TestDirectory = Awaited<ReturnType<typeof startDirectory>>

/** What replicas of one test have in common. */
interface Shared {
  readonly database: TestDatabase
  readonly nats: TestServer
  readonly secretFile: string
}

export function newKeys(): Keys {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'jwk' }).x ?? ''
  return { privateKey, publicKey: Buffer.from(raw, 'base64url') }
}

/**
 * Starts the service; with `shared`, as another replica beside a first one. A test that stops NATS
 * brings its own.
 */
export async function startDirectory(
  env: Record<string, string> = {},
  shared?: Partial<Shared>,
  ownNats?: TestServer,
) {
  const folder = await mkdtemp(join(tmpdir(), 'twotick-directory-'))
  const secretFile = shared?.secretFile ?? join(folder, 'secret')
  if (shared?.secretFile === undefined) await writeFile(secretFile, randomBytes(32).toString('hex'))
  const database = shared?.database ?? (await testDatabase())
  const nats = shared?.nats ?? ownNats ?? (await startNats())
  const config = readConfig(configSchema, {
    TWOTICK_POSTGRES_URL: database.directoryUrl,
    TWOTICK_NATS_URL: nats.url,
    TWOTICK_LISTEN: '127.0.0.1:0',
    TWOTICK_SERVICE_SECRET_FILE: secretFile,
    TWOTICK_REGISTRATION: 'open',
    ...env,
  })
  const scope = openScope('metadata-validation')
  const { port } = await start(config, scope)
  const clientOf = (service: 'gateway' | 'expiry') =>
    grpcClient(MetadataValidationClient, { target: `127.0.0.1:${port}`, service, secretFile })
  const client = clientOf('gateway')
  const expiry = clientOf('expiry')
  const sql = new pg.Pool({ connectionString: database.url, max: 2 })
  // The database may be dropped while a connection is being closed.
  sql.on('connect', (client) => client.on('error', () => undefined))

  return {
    ...requests(client),
    client,
    expiry,
    database,
    nats,
    secretFile,
    async sql(text: string, values: unknown[] = []) {
      return (await sql.query(text, values)).rows as Record<string, unknown>[]
    },
    async close() {
      client.close()
      expiry.close()
      await scope.close()
      await sql.end()
      if (shared?.nats === undefined) await nats.stop()
      if (shared?.database === undefined) await database.drop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function requests(client: MetadataValidationClient) {
  const handshake = () => ({ audience: AUDIENCE, nonce: randomBytes(32) })

  async function finish(pending: Pending | undefined) {
    if (pending !== undefined) await unary(client, 'finishPending', { pending }, TIMEOUT)
  }

  async function register(handle: string, keys = newKeys(), token = ''): Promise<DirectoryReply> {
    const at = handshake()
    const signature = sign(null, signedRegister(at, handle), keys.privateKey)
    const request = { ...at, handle, publicKey: keys.publicKey, token, signature }
    return unary(client, 'registerAccount', request, TIMEOUT)
  }

  async function ask(asker: TestDevice, body: Request['body']): Promise<DirectoryReply> {
    const request = { asker: asker.address, request: { requestId: 7, body } }
    return unary(client, 'ask', request, TIMEOUT)
  }

  function linkBody(primary: TestDevice, keys: Keys, evictDeviceId = 0) {
    const message = signedLink(primary.address.accountId, keys.publicKey)
    const signature = sign(null, message, primary.privateKey)
    const value = { publicKey: keys.publicKey, name: 'a companion', signature, evictDeviceId }
    return { $case: 'linkDevice', value } as const
  }

  return {
    finish,
    register,
    ask,
    linkBody,
    /** Asks, finishes what is pending, and gives the response's body. */
    async answer(asker: TestDevice, body: Request['body']): Promise<Response['body']> {
      const reply = await ask(asker, body)
      await finish(reply.pending)
      return reply.response?.body
    },
    /** A registered account, its mailbox "made". */
    async account(handle = `h${randomBytes(8).toString('hex')}`): Promise<TestDevice> {
      const keys = newKeys()
      const reply = await register(handle, keys)
      await finish(reply.pending)
      return { ...keys, handle, address: whole(reply.address) }
    },
    /** A linked companion of an account. */
    async companion(primary: TestDevice): Promise<TestDevice> {
      const keys = newKeys()
      const reply = await ask(primary, linkBody(primary, keys))
      await finish(reply.pending)
      const body = reply.response?.body
      if (body?.$case !== 'linkedDevice') throw new Error(`not linked: ${JSON.stringify(body)}`)
      return { ...keys, handle: primary.handle, address: whole(body.value.address) }
    },
    async claim(keys: Keys): Promise<DirectoryReply> {
      const at = handshake()
      const signature = sign(null, signedClaim(at, keys.publicKey), keys.privateKey)
      const request = { ...at, publicKey: keys.publicKey, signature }
      return unary(client, 'claimDevice', request, TIMEOUT)
    },
    async authenticate(device: Keys & { address: DeviceAddress }, clientVersion = '1.0') {
      const at = handshake()
      const message = signedHello(at, device.address, clientVersion)
      const signature = sign(null, message, device.privateKey)
      const request = { ...at, address: device.address, signature, clientName: '', clientVersion }
      return (await unary(client, 'authenticate', request, TIMEOUT)).outcome
    },
    validate: (...sends: SendMetadata[]) => validate(client, sends),
    /** A conversation of these accounts. */
    async group(maker: TestDevice, ...others: TestDevice[]) {
      const accountIds = others.map(({ address }) => address.accountId)
      const value = { requestKey: randomBytes(16), accountIds }
      const { response } = await ask(maker, { $case: 'createConversation', value })
      const body = response?.body
      if (body?.$case !== 'conversation') throw new Error(JSON.stringify(body))
      return body.value
    },
    async setBlock(asker: TestDevice, other: TestDevice, blocked: boolean) {
      const value = { accountId: other.address.accountId, blocked }
      await ask(asker, { $case: 'setBlock', value })
    },
  }
}

function validate(client: MetadataValidationClient, sends: SendMetadata[]): Promise<SendVerdict[]> {
  return new Promise((resolve, reject) => {
    const stream = client.validate()
    const verdicts: SendVerdict[] = []
    stream.on('data', (reply: { verdicts: SendVerdict[] }) => verdicts.push(...reply.verdicts))
    stream.on('end', () => resolve(verdicts))
    stream.on('error', reject)
    stream.write({ sends })
    stream.end()
  })
}

function whole(address: Address | undefined): DeviceAddress {
  if (address === undefined) throw new Error('no address')
  return { accountId: address.accountId as AccountId, deviceId: address.deviceId }
}

/** The recipients of a send that was accepted, or the code of its refusal. */
export function recipientsOf(verdict: SendVerdict | undefined): string[] | RefusalCode | undefined {
  if (verdict?.outcome?.$case === 'refusal') return verdict.outcome.value.code
  return verdict?.outcome?.value.recipientAccountIds
}

/** A send as the gateway describes it: 100 bytes to `to`, an account or a conversation. */
export function sendFrom(
  sender: TestDevice,
  to: TestDevice | { conversationId: string },
  rest: Partial<SendMetadata> = {},
): SendMetadata {
  return {
    id: 1,
    sender: sender.address,
    clientVersion: '1.0',
    to:
      'address' in to
        ? { to: { $case: 'accountId', value: to.address.accountId } }
        : { to: { $case: 'conversationId', value: to.conversationId } },
    rosterVersion: 0,
    type: EnvelopeType.MESSAGE,
    lifetimeS: 0,
    bytes: 100,
    parts: [],
    isSignal: false,
    ...rest,
  }
}
