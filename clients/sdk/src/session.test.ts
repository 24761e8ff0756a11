// Goal: what a session says is durable before it, also where its socket is full.

import { EnvelopeType, type Entry } from '@twotick/protocol'
import { expect, test } from 'vitest'
import { createModelRelay } from '../test/model-relay.ts'
import { assemble } from './assemble.ts'
import { plainCodec } from './codec.ts'
import { createEmitter } from './emitter.ts'
import { StoppedError } from './errors.ts'
import type { DeviceEvents } from './events.ts'
import type { Link } from './link.ts'
import { load } from './load.ts'
import { memoryStorage } from './storage.ts'

const BOB = '22222222-2222-4222-8222-222222222222'
const ALICE = { accountId: '11111111-1111-4111-8111-111111111111', deviceId: 1 }
const FULL_BYTES = 2 * 1024 * 1024
const SLOW_MS = 100

test('acks and sends wait for the storage, also after the socket was full', async () => {
  const told: string[] = []
  const over = Promise.withResolvers<undefined>()
  const memory = memoryStorage()
  const storage = {
    ...memory,
    async commit(changes: Parameters<typeof memory.commit>[0]) {
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS))
      await memory.commit(changes)
      for (const { table } of changes) {
        if (table === 'inbox' || table === 'payload') told.push(`${table} is durable`)
      }
    },
  }
  const relay = createModelRelay()
  const own = relay.addDevice(Uint8Array.of(1), BOB)
  const parts = assemble({
    ...{ storage, own, events: createEmitter<DeviceEvents>(), codec: plainCodec },
    loaded: await load(storage),
    receives: true,
    askSchedule: { firstMs: 1e9, everyMs: 1e9, oldEvery: 1 },
    fail(error) {
      throw error
    },
    fork: () => told.push('forked'),
  })
  const link: Link = {
    send(frame) {
      told.push(frame.$case)
      if (told.length === 4) over.resolve(undefined)
    },
    bufferedBytes: () => (told.length === 0 ? FULL_BYTES : 0),
    opened: () => undefined,
    waits: () => undefined,
    close: () => undefined,
  }
  relay.open(own, (frame) => parts.session.frame(frame, link))
  await parts.turns.enter(() => undefined)
  parts.session.frame({ $case: 'deliver', value: { entries: [entry(1)] } }, link)
  const body = Uint8Array.of(1)
  void parts.outbox.send({ to: { account: ALICE.accountId }, body })
  await over.promise
  parts.session.stop(new StoppedError('closed'))
  expect(told).toEqual(['inbox is durable', 'ack', 'payload is durable', 'send'])
})

function entry(seq: number): Entry {
  const { ciphertext } = plainCodec.encode({ body: Uint8Array.of(1) }, []) as {
    ciphertext: Uint8Array
  }
  const to = { to: { $case: 'accountId', value: BOB } } as const
  const value = { sender: ALICE, no: seq, to, type: EnvelopeType.MESSAGE, ciphertext }
  return { seq, acceptedAtMs: 1, content: { $case: 'envelope', value } }
}
