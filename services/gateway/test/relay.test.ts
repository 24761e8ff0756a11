// Goal: a message goes from one device to another with both ticks, and the frames of a connection
// come in the order that the protocol says.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRaw, registerRaw, sendTo } from '../../../test/raw-device.ts'
import { type RunningGateway, startWholeRelay, type WholeRelay } from './whole-relay.ts'

let relay: WholeRelay
let gateway: RunningGateway

beforeAll(async () => {
  relay = await startWholeRelay()
  gateway = await relay.startGateway()
})

afterAll(() => relay.close())

test('a send is stored, delivered, acked, and its sender hears of both ticks', async () => {
  const alice = await registerRaw(gateway.url, 'alice')
  const bob = await registerRaw(gateway.url, 'bob')
  const from = await openRaw(alice)
  const to = await openRaw(bob)
  expect((await from.take('drained')).seq).toBe(0)
  expect(from.welcome).toMatchObject({ session: 1, sentNo: 0, ackedSeq: 0, backlog: 0 })

  from.send({ $case: 'send', value: sendTo(bob.address.accountId, 1, 0) })
  const stored = await from.take('stored')
  expect(stored).toMatchObject({ firstNo: 1, lastNo: 1 })
  const [entry] = (await to.take('deliver')).entries
  expect(entry).toMatchObject({ seq: 1, acceptedAtMs: stored.acceptedAtMs })
  expect(entry?.content?.value).toMatchObject({ sender: alice.address, no: 1 })

  to.send({ $case: 'ack', value: { seq: 1, failed: [] } })
  const delivered = await from.take('delivered')
  expect(delivered.recipientAccountId).toBe(bob.address.accountId)
  expect(delivered.nos).toEqual([{ first: 1, last: 1 }])
  from.close()
  to.close()
})
