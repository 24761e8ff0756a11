import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startRelay, type Relay } from '../../../test/relay.ts'
import { waitFor } from '../../../test/wait.ts'
import { claimDevice, createLinkCode, memoryStorage, openDevice } from '../src/index.ts'
import {
  plainCodec,
  RefusalCode,
  RefusedError,
  registerDevice,
  RejectedError,
} from '../src/index.ts'
import type { Codec, Device, DeviceOptions, Message, Storage } from '../src/index.ts'
import { fileStorage } from '../src/node.ts'

const CLIENT = { clientName: 'test', clientVersion: '1.0.0' }
const open: Device[] = []
let relay: Relay
let handles = 0

beforeAll(async () => {
  relay = await startRelay()
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((device) => device.close()))
})

afterAll(() => relay.stop())

async function openOn(storage: Storage, more: Partial<DeviceOptions> = {}) {
  const texts: string[] = []
  const onMessage = ({ body }: Message) => void texts.push(new TextDecoder().decode(body))
  const device = await openDevice({ storage, ...CLIENT, onMessage, ...more })
  open.push(device)
  return Object.assign(device, { texts })
}

async function newAccount(more: Partial<DeviceOptions> = {}) {
  const storage = memoryStorage()
  await registerDevice({ url: relay.url, handle: `person-${(handles += 1)}`, storage })
  return openOn(storage, more)
}

function say(device: Device, to: { account: string } | { conversation: string }, text: string) {
  return device.send({ to, body: new TextEncoder().encode(text) })
}

describe('a device and the relay', () => {
  test('a message brings both ticks, and arrives once', async () => {
    // Goal: register, open, send, first tick, second tick.
    const [alice, bob] = [await newAccount(), await newAccount()]
    const sent = await say(alice, { account: bob.address.accountId }, 'hello')
    expect((await sent.stored).acceptedAtMs).toBeGreaterThan(0)
    expect(await sent.delivered).toEqual({ delivered: [bob.address.accountId], undelivered: [] })
    expect(bob.texts).toEqual(['hello'])
    expect(alice.sent(sent.no)?.doneAtMs).toBeDefined()
  })

  test('a linked device gets what is sent to and by its account', async () => {
    // Goal: link by a code; a claim waits for it; own sends reach siblings and owe no tick.
    const [alice, bob] = [await newAccount(), await newAccount()]
    const storage = memoryStorage()
    const code = await createLinkCode({ storage })
    await expect(alice.linkDevice(code.slice(1))).rejects.toThrow('a slip in it')
    const claimed = claimDevice({ url: relay.url, storage, everyMs: 50 })
    await alice.linkDevice(code, 'laptop')
    expect(await claimed).toEqual({ ...alice.address, deviceId: 2 })
    const laptop = await openOn(storage)
    await (
      await say(bob, { account: alice.address.accountId }, 'to both')
    ).delivered
    await (
      await say(alice, { account: bob.address.accountId }, 'by the other')
    ).delivered
    await waitFor(() => laptop.texts.length === 2, { what: 'both messages on the laptop' })
    expect(laptop.texts).toEqual(['to both', 'by the other'])
    expect((await alice.listDevices()).map(({ name }) => name)).toContain('laptop')
  })

  test('a crash at any moment loses nothing and doubles nothing', async () => {
    // Goal: outbox and inbox are durable: abandoned with sends under way, opened on the same file.
    const folder = mkdtempSync(join(tmpdir(), 'twotick-sdk-'))
    const storage = fileStorage(join(folder, 'alice.db'))
    await registerDevice({ url: relay.url, handle: 'crashing', storage })
    const bob = await newAccount()
    const to = { account: bob.address.accountId }
    const expected: string[] = []
    for (let round = 0; round < 5; round += 1) {
      const alice = await openOn(storage)
      const texts = Array.from({ length: 40 }, (_, index) => `${round}-${index}`)
      await Promise.all(texts.map((text) => say(alice, to, text)))
      expected.push(...texts)
      alice.abandon()
    }
    const alice = await openOn(storage)
    await waitFor(() => alice.unfinished().length === 0, { what: 'every tick', deadlineMs: 20_000 })
    expect(bob.texts).toEqual(expected)
    await alice.close()
    storage.close()
    rmSync(folder, { recursive: true })
  })

  test('a message that no handler has had is handed out again after a restart', async () => {
    // Goal: the inbox is durable, and a message is marked once its handler is through.
    const alice = await newAccount()
    const storage = memoryStorage()
    await registerDevice({ url: relay.url, handle: 'slow', storage })
    const never = () => new Promise(() => undefined)
    const first = await openDevice({ storage, ...CLIENT, onMessage: never })
    const to = { account: first.address.accountId }
    await (
      await say(alice, to, 'one')
    ).delivered
    first.abandon()
    const bob = await openOn(storage)
    await (
      await say(alice, to, 'two')
    ).delivered
    await waitFor(() => bob.texts.length === 2, { what: 'both messages' })
    expect(bob.texts).toEqual(['one', 'two'])
  })

  test('in a group each member gets it once, and a stale roster renews itself', async () => {
    // Goal: the awaited accounts are the roster's; ROSTER_STALE sends again under a new number.
    const [alice, bob, carol] = [await newAccount(), await newAccount(), await newAccount()]
    const { conversationId } = await alice.createConversation([bob.address.accountId])
    const to = { conversation: conversationId }
    expect((await (await say(alice, to, 'two of us')).delivered).delivered).toHaveLength(1)
    await bob.changeMembers(conversationId, { add: [carol.address.accountId] })
    const sent = await say(alice, to, 'three of us')
    const { delivered } = await sent.delivered
    expect(delivered.toSorted()).toEqual(
      [bob.address.accountId, carol.address.accountId].toSorted(),
    )
    expect(bob.texts).toEqual(['two of us', 'three of us'])
    expect(carol.texts).toEqual(['three of us'])
    expect(alice.sent(sent.no)?.attempts).toEqual([sent.no + 1])
  })

  test('a rejection is definite, and does not hold up what was sent behind it', async () => {
    // Goal: design §4 after a rejection: what was behind arrives once, in order.
    const [alice, bob] = [await newAccount(), await newAccount()]
    const to = { account: bob.address.accountId }
    const nobody = { account: crypto.randomUUID() }
    const [first, lost, ...rest] = await Promise.all([
      say(alice, to, 'a'),
      say(alice, nobody, 'to nobody'),
      ...['b', 'c', 'd'].map((text) => say(alice, to, text)),
    ])
    const error = await lost.stored.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(RejectedError)
    expect(error).toMatchObject({ code: RefusalCode.UNKNOWN_RECIPIENT, maybeStored: false })
    await Promise.all([first, ...rest].map(({ delivered }) => delivered))
    expect(bob.texts).toEqual(['a', 'b', 'c', 'd'])
  })

  test('what a device cannot process comes to it again as the original', async () => {
    // Goal: failed[], UNPROCESSABLE, a resend in parts, applied under the original's name.
    let failures = 1
    const codec: Codec = {
      ...plainCodec,
      decode(envelope) {
        if (failures-- > 0) throw new Error('no key yet')
        return plainCodec.decode(envelope)
      },
    }
    const [alice, bob] = [await newAccount(), await newAccount({ codec })]
    const sent = await say(alice, { account: bob.address.accountId }, 'hard to read')
    expect(await sent.delivered).toMatchObject({ delivered: [bob.address.accountId] })
    expect(bob.texts).toEqual(['hard to read'])
    expect(alice.sent(sent.no)?.resentTo).toHaveLength(1)
  })

  test('a second session replaces the first, and a refusal of the directory has its code', async () => {
    // Goal: REPLACED ends the older one for good; requests throw RefusedError.
    const storage = memoryStorage()
    await registerDevice({ url: relay.url, handle: 'twice', storage })
    const first = await openOn(storage)
    const replaced = new Promise((resolve) => first.on('replaced', resolve))
    await waitFor(() => first.isConnected(), { what: 'the first session' })
    const second = await openOn(storage)
    expect(await replaced).toMatchObject({ reason: 'replaced' })
    const lookUp = second.lookUp({ handle: 'nobody-here' })
    await expect(lookUp).rejects.toThrow(RefusedError)
    await expect(lookUp).rejects.toMatchObject({ code: RefusalCode.NOT_FOUND })
    await expect(first.send({ to: { account: 'x' }, body: new Uint8Array() })).rejects.toThrow()
  })
})
