// What the real relay does not do on demand, over real sockets: lost answers, an old copy of a
// storage, a history that is rolled back, a relay's last word.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { NoticeKind } from '@twotick/protocol'
import { waitFor } from '../../../test/wait.ts'
import { memoryStorage, openDevice, registerDevice, RefusalCode } from '../src/index.ts'
import type { Device, DeviceOptions, Message, Storage } from '../src/index.ts'
import { plainCodec, type Codec } from '../src/codec.ts'
import { listAll, type Change, type Table } from '../src/storage.ts'
import { startTinyRelay, type TinyRelay } from './tiny-relay.ts'

/** Messages that no handler has had, beyond which nothing more is taken. */
const INBOX_MAX = 1_000

const open: Device[] = []
let relay: TinyRelay

beforeEach(async () => {
  relay = await startTinyRelay()
})

afterEach(async () => {
  await Promise.all(open.splice(0).map((device) => device.close()))
  await relay.stop()
})

async function openOn(storage: Storage, more: Partial<DeviceOptions> = {}) {
  const texts: string[] = []
  const onMessage = ({ body }: Message) => void texts.push(new TextDecoder().decode(body))
  const client = { clientName: 'test', clientVersion: '1.0.0' }
  const device = await openDevice({ storage, ...client, onMessage, ...more })
  open.push(device)
  return Object.assign(device, { texts })
}

async function newDevice(handle: string, more: Partial<DeviceOptions> = {}) {
  const storage = memoryStorage()
  await registerDevice({ url: relay.url, handle, storage })
  const device = await openOn(storage, more)
  await waitFor(() => device.isConnected(), { what: 'a session' })
  return Object.assign(device, { storage })
}

function say(from: Device, to: Device, text: string) {
  const body = new TextEncoder().encode(text)
  return from.send({ to: { account: to.address.accountId }, body })
}

async function copyOf(storage: Storage): Promise<Storage> {
  const copy = memoryStorage()
  const tables: Table[] = ['identity', 'sending', 'receiving', 'attempt', 'payload', 'message']
  for (const table of tables) {
    const rows = await listAll(storage, table)
    await copy.commit(rows.map((row): Change => ({ table, ...row })))
  }
  return copy
}

describe('a device and a relay that misbehaves', () => {
  test('answers that are lost with the connection: each message once', async () => {
    // Goal: Welcome settles what had no answer; a retry is not a second message.
    const [alice, bob] = [await newDevice('alice'), await newDevice('bob')]
    let losses = 3
    relay.transport.loses = ({ $case }) => $case === 'stored' && losses-- > 0
    const texts = Array.from({ length: 30 }, (_, index) => String(index))
    const sent = await Promise.all(texts.map((text) => say(alice, bob, text)))
    await Promise.all(sent.map(({ delivered }) => delivered))
    expect(losses).toBeLessThan(1)
    expect(bob.texts).toEqual(texts)
  })

  test('pipelined sends behind a rejected one are sent once more, unchanged', async () => {
    // Goal: same numbers, tags and ciphertext; prev_no of the first is the last accepted.
    const [alice, bob] = [await newDevice('alice'), await newDevice('bob')]
    relay.model.rules.refuse = ({ no }) => (no === 2 ? RefusalCode.MAILBOX_FULL : undefined)
    const sent = await Promise.all(['a', 'b', 'c', 'd'].map((text) => say(alice, bob, text)))
    await expect(sent[1]!.stored).rejects.toMatchObject({ code: RefusalCode.MAILBOX_FULL })
    await sent[3]!.delivered
    expect(bob.texts).toEqual(['a', 'c', 'd'])
    const again = relay.model.seen.sends.filter(({ no }) => no === 3)
    expect(again.map(({ prevNo }) => prevNo)).toEqual([2, 1])
    expect(again[1]?.tag).toEqual(again[0]?.tag)
    expect(again[1]?.ciphertext).toEqual(again[0]?.ciphertext)
  })

  test('an old copy of a storage finds out, stops and stays stopped', async () => {
    // Goal: STREAM_FORKED for a sent_no that is not its own, and for a cursor that is not.
    const [alice, bob] = [await newDevice('alice'), await newDevice('bob')]
    const oldAlice = await copyOf(alice.storage)
    const oldBob = await copyOf(bob.storage)
    await (
      await say(alice, bob, 'since the copy')
    ).delivered
    await Promise.all([alice.close(), bob.close()])
    for (const storage of [oldAlice, oldBob]) {
      const device = await openOn(storage)
      const forked = new Promise((resolve) => device.on('forked', resolve))
      expect(await forked).toMatchObject({ reason: 'forked' })
      await expect(say(device, bob, 'no')).rejects.toMatchObject({ reason: 'forked' })
      await expect(openOn(storage)).rejects.toMatchObject({ reason: 'forked' })
    }
  })

  test('a push that does not follow the own position is a fork', async () => {
    // Goal: nothing is skipped silently.
    const bob = await newDevice('bob')
    const forked = new Promise((resolve) => bob.on('forked', resolve))
    const row = relay.model.device(bob.address)
    row?.say?.({ $case: 'missed', value: { firstSeq: 3, lastSeq: 4 } })
    expect(await forked).toMatchObject({ reason: 'forked' })
  })

  test('after a rollback: what the store forgot comes again, under a new number, once', async () => {
    // Goal: design §4 Rollback: numbers go on above, the original is named inside the ciphertext.
    const [alice, bob] = [await newDevice('alice'), await newDevice('bob')]
    await (
      await say(alice, bob, 'before')
    ).delivered
    const history = relay.model.copy()
    relay.model.rules.ticks = false
    const had = await say(alice, bob, 'bob has it')
    await had.stored
    await waitFor(() => bob.texts.length === 2, { what: 'the second message' })
    const epochs: string[] = []
    alice.on('new-epoch', ({ epoch }) => epochs.push(epoch))
    relay.cutAll()
    relay.model.restore(history, 'epoch-2')
    relay.model.rules.ticks = true
    expect(await had.delivered).toMatchObject({ delivered: [bob.address.accountId] })
    await (
      await say(alice, bob, 'after')
    ).delivered
    expect(bob.texts).toEqual(['before', 'bob has it', 'after'])
    expect(epochs).toEqual(['epoch-2'])
    expect(alice.sent(had.no)?.attempts).toEqual([2, 3])
  })

  test('a lost second tick is asked for', async () => {
    // Goal: StatusQuery once drained, and upon Resync.
    const [alice, bob] = [await newDevice('alice'), await newDevice('bob')]
    relay.model.rules.ticks = false
    const sent = await say(alice, bob, 'quietly')
    await waitFor(() => bob.texts.length === 1, { what: 'the message' })
    relay.model.device(alice.address)?.say?.({ $case: 'resync', value: {} })
    expect(await sent.delivered).toMatchObject({ delivered: [bob.address.accountId] })
  })

  test('a closing notice settles the message for that account', async () => {
    // Goal: delivered resolves with who did not get it, and why.
    const [alice, bob] = [await newDevice('alice'), await newDevice('bob')]
    await bob.close()
    const sent = await say(alice, bob, 'nobody fetches it')
    await sent.stored
    relay.model.expire(bob.address.accountId, 1)
    const { accountId } = bob.address
    const undelivered = [{ accountId, kind: NoticeKind.EXPIRED }]
    expect(await sent.delivered).toEqual({ delivered: [], undelivered })
  })

  test.each([
    ['replaced', RefusalCode.REPLACED],
    ['unlinked', RefusalCode.UNLINKED],
    ['upgrade-required', RefusalCode.UPGRADE_REQUIRED],
  ] as const)('%s is the last word', async (reason, code) => {
    // Goal: these goodbyes stop the device; it does not dial again.
    const bob = await newDevice('bob')
    const stopped = new Promise((resolve) => bob.on('stopped', resolve))
    const goodbye = { code, detail: '', retryAfterMs: 0 }
    relay.model.device(bob.address)?.say?.({ $case: 'goodbye', value: goodbye })
    const asked = bob.lookUp({ handle: 'alice' })
    expect(await stopped).toMatchObject({ reason })
    expect(bob.isConnected()).toBe(false)
    // Neither what waited for an answer nor what is asked from now on looks like an outage.
    await expect(asked).rejects.toMatchObject({ name: 'StoppedError', reason })
    await expect(bob.listDevices()).rejects.toMatchObject({ name: 'StoppedError', reason })
  })

  test('replaced by its own opening that came late, it is back once', async () => {
    // Goal: a Hello without an answer may be carried out behind the next one, and end its session.
    const bob = await newDevice('bob')
    const replaced = { code: RefusalCode.REPLACED, detail: '', retryAfterMs: 0 }
    const goodbye = { $case: 'goodbye', value: replaced } as const
    let lost = 0
    relay.transport.loses = ({ $case }) => $case === 'welcome' && lost++ === 0
    relay.cutAll()
    await waitFor(() => lost > 1 && bob.isConnected(), { what: 'the session after the lost one' })
    // By its event: it may be back before anybody looks.
    const ended = new Promise((resolve) => bob.on('disconnected', resolve))
    relay.model.device(bob.address)?.say?.(goodbye)
    await ended
    await waitFor(() => bob.isConnected(), { what: 'a new session' })
    const stopped = new Promise((resolve) => bob.on('stopped', resolve))
    relay.model.device(bob.address)?.say?.(goodbye)
    expect(await stopped).toMatchObject({ reason: 'replaced' })
  })

  test('any other goodbye is followed by a new session, not before retry_after', async () => {
    // Goal: GOING_AWAY with retry_after_ms is honoured.
    const bob = await newDevice('bob')
    const goodbye = { code: RefusalCode.GOING_AWAY, detail: '', retryAfterMs: 300 }
    relay.model.device(bob.address)?.say?.({ $case: 'goodbye', value: goodbye })
    const startedAtMs = performance.now()
    await waitFor(() => !bob.isConnected(), { what: 'the end of the session' })
    await waitFor(() => bob.isConnected(), { what: 'a new session' })
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(299)
  })

  test('a relay that stands still is left, and what had no answer goes to the next', async () => {
    // Goal: nobody else can end that wait; silence without anything owed ends nothing.
    const [alice, bob] = [await newDevice('alice'), await newDevice('bob')]
    const lost: number[] = []
    for (const device of [alice, bob]) device.on('disconnected', () => lost.push(performance.now()))
    relay.transport.isStopped = true
    const sentAt = performance.now()
    const sent = await say(alice, bob, 'is anybody there')
    await waitFor(() => lost.length > 0, { what: 'the end of the session', deadlineMs: 6_000 })
    expect(lost[0]! - sentAt).toBeGreaterThan(3_900)
    relay.transport.isStopped = false
    await sent.delivered
    expect(bob.texts).toEqual(['is anybody there'])
    expect(lost).toHaveLength(1)
  }, 15_000)

  test('a handler that fails is called again, and what is behind waits', async () => {
    // Goal: order holds in the inbox, whatever the application does.
    let failures = 1
    const seen: string[] = []
    const alice = await newDevice('alice')
    const bob = await newDevice('bob', {
      onMessage: ({ body }) => {
        if (failures-- > 0) throw new Error('not now')
        seen.push(new TextDecoder().decode(body))
      },
    })
    await Promise.all([say(alice, bob, 'one'), say(alice, bob, 'two')])
    await waitFor(() => seen.length === 2, { what: 'both messages' })
    expect(seen).toEqual(['one', 'two'])
  })
  test('a status answer waits behind the notice that it relies on', async () => {
    // Goal: gone means delivered only after all that the own mailbox said before it.
    const [alice, carol] = [await newDevice('alice'), await newDevice('carol')]
    const storage = memoryStorage()
    await registerDevice({ url: relay.url, handle: 'bob', storage })
    const bob = await openDevice({ storage, clientName: 'test', clientVersion: '1.0.0' })
    open.push(bob)
    await carol.close()
    const sent = await say(bob, carol, 'nobody fetches it')
    await sent.stored
    for (let count = 0; count < INBOX_MAX; count += 1) await say(alice, bob, 'waits')
    const isFull = async () => (await listAll(storage, 'inbox')).length === INBOX_MAX
    await waitFor(isFull, { what: 'a full inbox' })

    const { queries } = relay.model.seen
    relay.model.expire(carol.address.accountId, 1)
    const hears = relay.model.device(bob.address)?.say
    hears?.({ $case: 'resync', value: {} })
    await waitFor(() => relay.model.seen.queries > queries, { what: 'a question' })
    const signalled = new Promise((resolve) => bob.on('signal', resolve))
    const signal = { sender: alice.address, ciphertext: new Uint8Array() }
    hears?.({ $case: 'signal', value: signal })
    await signalled // so that the answer has come
    await say(bob, alice, 'and a turn is over')
    expect(bob.sent(sent.no)?.reach[carol.address.accountId]).toMatchObject({ at: 'waiting' })

    bob.onMessage(() => undefined)
    const { accountId } = carol.address
    const undelivered = [{ accountId, kind: NoticeKind.EXPIRED }]
    expect(await sent.delivered).toEqual({ delivered: [], undelivered })
  })
  test('what cannot be encoded again holds up nothing else', async () => {
    // Goal: one message that the codec refuses is no reason to keep the others back.
    const codec: Codec = {
      ...plainCodec,
      encode(content, devices) {
        if (content.original?.no === 1) throw new Error('no keys')
        return plainCodec.encode(content, devices)
      },
    }
    const [alice, bob] = [await newDevice('alice', { codec }), await newDevice('bob')]
    relay.model.rules.refuse = () => RefusalCode.MAILBOX_FULL
    const sent = await Promise.all(['one', 'two'].map((text) => say(alice, bob, text)))
    await Promise.all(sent.map(({ stored }) => expect(stored).rejects.toThrow()))
    relay.model.rules.refuse = () => undefined
    await alice.sendAgain(1)
    await (
      await alice.sendAgain(2)
    ).delivered
    expect(bob.texts).toEqual(['two'])
  })
})
