// Goal: what nobody fetched in its lifetime leaves, with exactly one notice if nobody had it and none
// otherwise; the device is told Missed with the right range; ticks behind it are not held back.

import { NoticeKind } from '@twotick/sdk'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bytes, linkDevice, newAccount, sendText, type TestDevice, texts } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

let relay: Relay
const open: TestDevice[] = []

beforeAll(async () => {
  relay = await startRelay({ env: { expiry: { TWOTICK_SWEEP_INTERVAL_MS: '200' } } })
})

afterAll(async () => {
  await Promise.all(open.map((device) => device.close()))
  await relay.stop()
})

async function rowCount(accountId: string): Promise<number> {
  const rows = await relay.sql('select 1 from mailbox.entry where account_id = $1', [accountId])
  return rows.length
}

function sendShortLived(from: TestDevice, to: TestDevice, text: string, lifetimeS = 1) {
  const account = to.address.accountId
  return from.device.send({ to: { account }, body: bytes(text), lifetimeS })
}

it('nobody had it: one notice, Missed with the range, and what is behind it arrives', async () => {
  const alice = await newAccount(relay.url, 'alice')
  const bob = await newAccount(relay.url, 'bob')
  open.push(alice, bob)
  await bob.close()
  const lost = [await sendShortLived(alice, bob, 'one'), await sendShortLived(alice, bob, 'two')]
  const kept = await sendText(alice, bob, 'three')
  await kept.stored

  const outcomes = await Promise.all(lost.map(({ delivered }) => delivered))
  for (const { delivered, undelivered } of outcomes) {
    expect(delivered).toEqual([])
    expect(undelivered).toMatchObject([
      { accountId: bob.address.accountId, kind: NoticeKind.EXPIRED },
    ])
  }
  expect(await rowCount(bob.address.accountId)).toBe(1)

  await bob.open()
  expect(bob.missed).toEqual([{ firstSeq: 1, lastSeq: 2 }])
  expect(texts(bob)).toEqual(['three'])
  expect((await kept.delivered).delivered).toEqual([bob.address.accountId])
  await waitFor(async () => (await rowCount(bob.address.accountId)) === 0, { what: 'no row left' })
  const expired = alice.notices.filter(({ kind }) => kind === NoticeKind.EXPIRED)
  expect(expired.map(({ no, closing }) => ({ no, closing }))).toEqual([
    { no: lost[0]!.no, closing: true },
    { no: lost[1]!.no, closing: true },
  ])
})

it('one device had it: no notice, the laggard is told Missed', async () => {
  const carol = await newAccount(relay.url, 'carol')
  const dave = await newAccount(relay.url, 'dave')
  const laptop = await linkDevice(relay.url, dave)
  open.push(carol, dave, laptop)
  // Long enough for the ack to come first on a busy machine too.
  const sent = await sendShortLived(carol, dave, 'short', 5)
  expect((await sent.delivered).delivered).toEqual([dave.address.accountId])
  await waitFor(async () => (await rowCount(dave.address.accountId)) === 0, {
    what: 'the row expired',
    deadlineMs: 30_000,
  })
  await laptop.open()
  expect(laptop.missed).toEqual([{ firstSeq: 1, lastSeq: 1 }])
  expect(texts(laptop)).toEqual([])
  expect(carol.notices).toEqual([])
})
