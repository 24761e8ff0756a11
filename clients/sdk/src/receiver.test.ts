// What a session pushes, against what the device has: which pushes are taken, which make it a fork,
// and what is acked.

import { expect, test } from 'vitest'
import { EnvelopeType, type Entry, type Welcome } from '@twotick/protocol'
import { plainCodec, type Codec } from './codec.ts'
import { createReceiver } from './receiver.ts'
import { memoryStorage, numberKey, SELF } from './storage.ts'
import { createTurns, type Step } from './turn.ts'

const OWN = { accountId: 'bob', deviceId: 1 }
const ALICE = { accountId: 'alice', deviceId: 1 }

const unreadable: Codec = {
  ...plainCodec,
  decode: () => Promise.reject(new Error('cannot be decrypted')),
}

/** A device that has everything up to `position`, and what it has written. */
function deviceAt(position: number, codec: Codec = plainCodec, failed: readonly number[] = []) {
  const storage = memoryStorage()
  const nothing = () => undefined
  const reports = { arrived: nothing, noticed: nothing, couldNotProcess: nothing }
  const receiving = { position, inboxNo: 0 }
  const at = { own: OWN, codec, receiving, failed, now: () => 1 }
  const receiver = createReceiver({ ...at, ...reports })
  const turns = createTurns({ storage, settle: nothing, fail: nothing })

  async function turn<T>(step: (turn: Parameters<Step>[0]) => T | Promise<T>): Promise<T> {
    let outcome: T | undefined
    await turns.enter(async (one) => void (outcome = await step(one)))
    return outcome as T
  }

  return {
    storage,
    takeAck: receiver.takeAck,
    welcome: (ackedSeq: number, sameEpoch = true) =>
      turn((one) => receiver.welcome(one, { ackedSeq } as Welcome, sameEpoch)),
    deliver: (...seqs: number[]) =>
      turn((one) =>
        receiver.deliver(
          one,
          seqs.map((seq) => entry(seq)),
        ),
      ),
    missed: (firstSeq: number, lastSeq: number) =>
      turn((one) => receiver.missed(one, { firstSeq, lastSeq })),
  }
}

function entry(seq: number): Entry {
  const content = { sender: ALICE, no: seq, to: undefined, type: EnvelopeType.MESSAGE }
  const value = { ...content, ciphertext: Uint8Array.of(1) }
  return { seq, acceptedAtMs: 1, content: { $case: 'envelope', value } }
}

test('what is pushed again is passed over, what is new is taken and acked', async () => {
  // Goal: an ack covers what this session has pushed, no more, and each of it once.
  const device = deviceAt(5)
  await device.welcome(2)
  expect(device.takeAck()).toBeUndefined()
  await device.deliver(3, 4)
  expect(device.takeAck()).toEqual({ seq: 4, failed: [] })
  expect(device.takeAck()).toBeUndefined()
  await device.deliver(5, 6)
  await device.missed(7, 9)
  expect(device.takeAck()?.seq).toBe(9)
  expect(await device.storage.read('receiving', SELF)).toMatchObject({ position: 9 })
})

test('an ack of the last session that came after this one’s Welcome is no fork', async () => {
  // Goal: the store pushes nothing that was acked meanwhile; the device has it, and goes on.
  const device = deviceAt(5)
  await device.welcome(2)
  expect(await device.deliver(5, 6)).toBeUndefined()
  const other = deviceAt(5)
  await other.welcome(2)
  expect(await other.missed(6, 8)).toBeUndefined()
  expect(other.takeAck()?.seq).toBe(8)
})

test.each([
  ['a cursor above the own position', 6, undefined],
  ['an entry beyond the next one', 2, [7]],
  ['a gap between entries', 2, [3, 5, 8]],
  ['an entry that was pushed before', 2, [3, 4, 4]],
  ['an entry that was acked before', 2, [2]],
])('%s is a fork', async (_, ackedSeq, seqs) => {
  // Goal: under one epoch nothing is skipped silently, and an old copy of a storage finds out.
  const device = deviceAt(5)
  const welcomed = await device.welcome(ackedSeq)
  if (seqs === undefined) return expect(welcomed).toBe('forked')
  expect(welcomed).toBeUndefined()
  expect(await device.deliver(...seqs)).toBe('forked')
})

test('a hole beyond the next one is a fork', async () => {
  // Goal: as for entries.
  const device = deviceAt(5)
  await device.welcome(5)
  expect(await device.missed(7, 8)).toBe('forked')
  expect(await device.missed(8, 7)).toBe('forked')
})

test('under a new epoch the device forgets what it knew by seq', async () => {
  // Goal: design §4 Rollback: seqs of another history say nothing.
  const device = deviceAt(50, plainCodec, [49])
  expect(await device.welcome(7, false)).toBeUndefined()
  await device.missed(8, 9)
  expect(device.takeAck()).toEqual({ seq: 9, failed: [] })
  expect(await device.storage.read('receiving', SELF)).toMatchObject({ position: 9 })
})

test('a failure is durable, and named in every ack until a Welcome has passed it', async () => {
  // Goal: an ack may be lost; the store must hear of the failure all the same.
  const device = deviceAt(0, unreadable)
  await device.welcome(0)
  await device.deliver(1)
  expect(await device.storage.read('failed', numberKey(1))).toEqual({ seq: 1 })
  expect(device.takeAck()).toEqual({ seq: 1, failed: [1] })
  await device.deliver(2)
  expect(device.takeAck()).toEqual({ seq: 2, failed: [1, 2] })
  await device.welcome(1)
  await device.deliver(2)
  expect(device.takeAck()).toEqual({ seq: 2, failed: [2] })
  expect(await device.storage.read('failed', numberKey(1))).toBeUndefined()
})
