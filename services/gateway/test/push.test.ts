// Goal: a device gets everything once and in order, however slow it is and whatever the bus loses.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import WebSocketClient from 'ws'
import { Down, parseAddress, RefusalCode, signedHello, Up } from '@twotick/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  openRaw,
  type RawDevice,
  type RawSession,
  registerRaw,
  sendTo,
} from '../../../test/raw-device.ts'
import { waitFor } from '../../../test/wait.ts'
import { type RunningGateway, startWholeRelay, type WholeRelay } from './whole-relay.ts'

let relay: WholeRelay
let gateway: RunningGateway
let alice: RawDevice
let from: RawSession
let no = 0

beforeAll(async () => {
  relay = await startWholeRelay({
    TWOTICK_RECONCILE_MS: '1000',
    // A busy machine must not end a session here.
    TWOTICK_ANSWER_MS: '20000',
  })
  gateway = await relay.startGateway()
  alice = await registerRaw(gateway.url, 'alice')
  from = await openRaw(alice)
})

afterAll(() => relay.close())

/** Sends so many messages of so many bytes, and waits until they are stored. */
async function fill(to: RawDevice, count: number, bytes: number) {
  for (let sent = 0; sent < count; sent++) {
    const send = sendTo(to.address.accountId, ++no, no - 1)
    from.send({ $case: 'send', value: { ...send, ciphertext: new Uint8Array(bytes) } })
  }
  const isStored = () => from.frames.some((f) => f.$case === 'stored' && f.value.lastNo === no)
  await waitFor(isStored, { what: 'the last first tick', deadlineMs: 20_000 })
}

function seqsOf(frames: Down['frame'][]): number[] {
  return frames.flatMap((frame) =>
    frame?.$case === 'deliver' ? frame.value.entries.map(({ seq }) => seq) : [],
  )
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

test('what waits comes in order, then Drained, with no more than the window without an ack', async () => {
  const bob = await registerRaw(gateway.url, 'bob')
  await fill(bob, 600, 10)
  const to = await openRaw(bob)
  expect(to.welcome).toMatchObject({ ackedSeq: 0, backlog: 600 })
  await waitFor(() => seqsOf(to.frames).length >= 256)
  to.send({ $case: 'ping', value: { number: 1 } })
  await to.take('pong')
  expect(seqsOf(to.frames)).toEqual(upTo(256))
  to.send({ $case: 'ack', value: { seq: 256, failed: [] } })
  await waitFor(() => seqsOf(to.frames).length >= 512)
  to.send({ $case: 'ack', value: { seq: 512, failed: [] } })
  expect((await to.take('drained')).seq).toBe(600)
  expect(seqsOf(to.frames)).toEqual(upTo(600))
  to.close()

  const again = await openRaw(bob)
  expect(again.welcome).toMatchObject({ ackedSeq: 512, backlog: 88 })
  await again.take('drained')
  expect(seqsOf(again.frames)[0]).toBe(513)
  again.close()
})

/** What buffers hold after a garbage collection. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().arrayBuffers
}

/** A device whose socket the test can stop reading. */
async function openReluctant(device: RawDevice) {
  const socket = new WebSocketClient(device.url, 'twotick.v1')
  const frames: Down['frame'][] = []
  const send = (frame: Up['frame']) => socket.send(Up.encode({ frame }).finish())
  socket.on('message', (data) => {
    const { frame } = Down.decode(data as Buffer)
    frames.push(frame)
    if (frame?.$case === 'challenge') void hello(frame.value.nonce)
  })
  async function hello(nonce: Uint8Array) {
    const audience = new URL(device.url).host
    const address = parseAddress(device.address)
    if (address === undefined) throw new Error('not an address')
    const bytes = signedHello({ audience, nonce }, address, '1.0.0') as Uint8Array<ArrayBuffer>
    const signed = await crypto.subtle.sign('Ed25519', device.keys.privateKey, bytes)
    const who = { address, signature: new Uint8Array(signed), audience }
    const client = { clientName: 'reluctant', clientVersion: '1.0.0', features: [] }
    send({ $case: 'hello', value: { ...who, ...client } })
  }
  await waitFor(() => frames.some((frame) => frame?.$case === 'drained'))
  return { socket, frames, send }
}

test('a device that stops reading costs no more than its window, and is not cut for it', async () => {
  const bob = await registerRaw(gateway.url, 'bob-reluctant')
  const to = await openReluctant(bob)
  to.socket.pause()
  const before = heldBytes()
  await fill(bob, 150, 32_000)
  // 5 MB wait for it; the gateway holds at most its window of 1 MiB.
  await waitFor(() => heldBytes() - before < 3_000_000)
  to.socket.resume()
  await waitFor(() => seqsOf(to.frames).length > 0)
  to.send({ $case: 'ping', value: { number: 1 } })
  await waitFor(() => to.frames.some((frame) => frame?.$case === 'pong'))
  const withoutAck = seqsOf(to.frames)
  expect(withoutAck.length).toBeLessThanOrEqual(1_048_576 / 32_000)
  const acking = setInterval(() => {
    const seq = seqsOf(to.frames).at(-1) ?? 0
    to.send({ $case: 'ack', value: { seq, failed: [] } })
  }, 10)
  await waitFor(() => seqsOf(to.frames).length === 150, { deadlineMs: 20_000 })
  clearInterval(acking)
  expect(seqsOf(to.frames)).toEqual(upTo(150))
  to.socket.close()
})

test('without a bus a message comes by reconciliation, and once', async () => {
  const bob = await registerRaw(gateway.url, 'bob-rung-late')
  const to = await openRaw(bob)
  relay.nats.pause()
  try {
    await fill(bob, 3, 10)
    await waitFor(() => seqsOf(to.frames).length === 3)
  } finally {
    relay.nats.resume()
  }
  await fill(bob, 2, 10)
  await waitFor(() => seqsOf(to.frames).length === 5)
  expect(seqsOf(to.frames)).toEqual(upTo(5))
  to.close()
})

test('when the bus is back, every session is compared and told to ask for its ticks', async () => {
  const bob = await registerRaw(gateway.url, 'bob-resync')
  const to = await openRaw(bob)
  await relay.nats.kill()
  await fill(bob, 1, 10)
  await relay.nats.restart()
  await to.take('resync')
  await waitFor(() => seqsOf(to.frames).length === 1)
  to.close()
})

test('a status query is answered once all it relies on was pushed', async () => {
  const bob = await registerRaw(gateway.url, 'bob-status')
  const value = sendTo(bob.address.accountId, ++no, no - 1)
  from.send({ $case: 'send', value })
  await waitFor(() => from.frames.some((f) => f.$case === 'stored' && f.value.lastNo === no))
  const query = { recipientAccountId: bob.address.accountId, items: [{ no, tag: value.tag }] }
  from.send({ $case: 'statusQuery', value: { ...query, queryId: 1 } })
  expect((await from.take('status')).answers).toEqual([{ no, state: 1 }])
  const to = await openRaw(bob)
  await to.take('deliver')
  to.send({ $case: 'ack', value: { seq: 1, failed: [] } })
  // Not by the second tick, which may be lost: the bus was away a moment ago.
  let queryId = 1
  const isDelivered = async () => {
    from.send({ $case: 'statusQuery', value: { ...query, queryId: (queryId += 1) } })
    const answer = await from.take('status')
    expect(answer.queryId).toBe(queryId)
    return answer.answers[0]?.state === 2
  }
  await waitFor(isDelivered, { what: 'the status delivered' })
  to.close()
})

test('answers are held behind a full window, and no more than four at a time', async () => {
  const bob = await registerRaw(gateway.url, 'bob-held')
  await fill(bob, 300, 10)
  const to = await openRaw(bob)
  await waitFor(() => seqsOf(to.frames).length === 256)
  const query = { recipientAccountId: alice.address.accountId, items: [] }
  for (let queryId = 1; queryId <= 4; queryId++) {
    to.send({ $case: 'statusQuery', value: { ...query, queryId } })
  }
  to.send({ $case: 'ping', value: { number: 1 } })
  await to.take('pong')
  expect(to.frames.some(({ $case }) => $case === 'status')).toBe(false)
  to.send({ $case: 'ack', value: { seq: 256, failed: [] } })
  expect((await to.take('drained')).seq).toBe(300)
  const answered = []
  for (let count = 0; count < 4; count++) answered.push((await to.take('status')).queryId)
  expect(answered.sort()).toEqual([1, 2, 3, 4])
  for (let queryId = 5; queryId <= 9; queryId++) {
    to.send({ $case: 'statusQuery', value: { ...query, queryId } })
  }
  expect((await to.take('goodbye')).code).toBe(RefusalCode.MALFORMED)
})

test('a signal reaches the devices that are there, and nobody answers it', async () => {
  const bob = await registerRaw(gateway.url, 'bob-signal')
  const to = await openRaw(bob)
  const ciphertext = Uint8Array.of(1, 2, 3)
  from.send({ $case: 'signal', value: { accountId: bob.address.accountId, ciphertext } })
  const signal = await to.take('signal')
  expect(signal.sender).toEqual(alice.address)
  expect(new Uint8Array(signal.ciphertext)).toEqual(ciphertext)
  to.close()
})
