import { expect, test } from 'vitest'
import { EnvelopeType, type Envelope } from '@twotick/protocol'
import { applyEnvelope } from './apply.ts'
import { plainCodec, type Codec, type Original } from './codec.ts'
import type { Records, Table } from './storage.ts'

const OWN = { accountId: 'bob', deviceId: 1 }
const ALICE = { accountId: 'alice', deviceId: 1 }
const BODY = Uint8Array.of(7)

async function envelope(no: number, original?: Original, sender = ALICE): Promise<Envelope> {
  const encoded = await plainCodec.encode({ body: BODY, ...(original && { original }) }, [])
  if (!('ciphertext' in encoded)) throw new Error('parts')
  return { sender, no, to: undefined, type: EnvelopeType.MESSAGE, ...encoded }
}

/** A device with what it has applied; `decodes` counts how often it looked inside. */
function device() {
  const kept = new Map<string, unknown>()
  const seen = { decodes: 0 }
  const turn = {
    put: (table: Table, key: string, value: unknown) => void kept.set(`${table} ${key}`, value),
    read: async <T extends Table>(table: T, key: string) =>
      kept.get(`${table} ${key}`) as Records[T] | undefined,
    after: () => undefined,
  }
  const codec: Codec = {
    ...plainCodec,
    decode(given) {
      seen.decodes += 1
      return plainCodec.decode(given)
    },
  }
  const apply = (given: Envelope) =>
    applyEnvelope(turn, given, { acceptedAtMs: 1 }, { own: OWN, codec, now: () => 1 })
  return { apply, seen }
}

test('the same envelope is applied once, and looked into once', async () => {
  // Goal: a ratchet cannot decrypt twice what is pushed twice (under a new epoch, say).
  const { apply, seen } = device()
  const again = await envelope(9, { deviceId: 1, no: 5 })
  expect(await apply(again)).toMatchObject({ as: 'message', message: { sender: ALICE, no: 5 } })
  expect(await apply(again)).toEqual({ as: 'nothing' })
  expect(seen.decodes).toBe(1)
})

test('a resend of what is known has no effect, nor has the original after its resend', async () => {
  // Goal: both names count.
  const { apply } = device()
  expect((await apply(await envelope(5))).as).toBe('message')
  expect((await apply(await envelope(9, { deviceId: 1, no: 5 }))).as).toBe('nothing')
  expect((await apply(await envelope(10, { deviceId: 1, no: 6 }))).as).toBe('message')
  expect((await apply(await envelope(6))).as).toBe('nothing')
})

test('nobody speaks for another account, but for devices of the own one', async () => {
  // Goal: an original of another account is taken from a sibling that fills a gap, and only there.
  const { apply } = device()
  const carols = { accountId: 'carol', deviceId: 3, no: 2 }
  expect((await apply(await envelope(1, carols))).as).toBe('failure')
  const sibling = { accountId: 'bob', deviceId: 2 }
  const { accountId, deviceId } = carols
  expect(await apply(await envelope(1, carols, sibling))).toMatchObject({
    message: { sender: { accountId, deviceId }, no: 2 },
  })
})

test('an original that names no valid id of a conversation is a failure', async () => {
  // Goal: what the application answers into is not any text of whoever may write to this account.
  const { apply } = device()
  const conversation = '11111111-1111-4111-8111-111111111111'
  const named = (text: string) => envelope(1, { deviceId: 1, no: 1, conversation: text })
  for (const text of ['', 'x', '\u001b[2J', `${conversation}\u0000`]) {
    expect((await apply(await named(text))).as).toBe('failure')
  }
  expect(await apply(await named(conversation))).toMatchObject({
    message: { to: { conversation } },
  })
})

test('own sends and what is for other devices are nothing', async () => {
  // Goal: they move the position on, no more.
  const { apply, seen } = device()
  expect((await apply(await envelope(1, undefined, OWN))).as).toBe('nothing')
  expect((await apply({ ...(await envelope(2)), ciphertext: new Uint8Array() })).as).toBe('nothing')
  expect(seen.decodes).toBe(0)
})
