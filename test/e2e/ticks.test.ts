// Goal: a message to an account with three devices has its first tick after the commit, its second
// after the first device acknowledged it, stays until the last one has it, and then is gone.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { linkDevice, newAccount, sendText, type TestDevice, texts } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

let relay: Relay
const open: TestDevice[] = []

beforeAll(async () => {
  relay = await startRelay()
})

afterAll(async () => {
  await Promise.all(open.map((device) => device.close()))
  await relay.stop()
})

async function entryCount(): Promise<number> {
  const [row] = await relay.sql('select count(*)::int as n from mailbox.entry')
  return Number(row?.['n'])
}

it('both ticks, three devices of which one is offline, and nothing is left', async () => {
  const alice = await newAccount(relay.url, 'alice')
  const bob = await newAccount(relay.url, 'bob')
  const laptop = await linkDevice(relay.url, bob)
  const tablet = await linkDevice(relay.url, bob)
  open.push(alice, bob, laptop, tablet)
  await laptop.open()

  const sent = await sendText(alice, bob, 'hello')
  await sent.stored
  expect(await entryCount()).toBe(1)
  const outcome = await sent.delivered
  expect(outcome).toEqual({ delivered: [bob.address.accountId], undelivered: [] })
  await waitFor(() => texts(bob).length === 1 && texts(laptop).length === 1)

  // Two of three have it: the row waits for the third.
  await waitFor(async () => {
    const [row] = await relay.sql(
      `select least(a1, a2, a3, a4, a5)::int as least, greatest(a1, a2, a3, a4, a5)::int as most
         from mailbox.mailbox where account_id = $1`,
      [bob.address.accountId],
    )
    return row?.['least'] === 0 && row['most'] === 1
  })
  expect(await entryCount()).toBe(1)

  await tablet.open()
  expect(texts(tablet)).toEqual(['hello'])
  await waitFor(async () => (await entryCount()) === 0, { what: 'no row left', deadlineMs: 5_000 })
  expect(alice.delivered).toHaveLength(1)
})

it('a message to an offline account waits, and its sender is told later', async () => {
  const carol = await newAccount(relay.url, 'carol')
  const dave = await newAccount(relay.url, 'dave')
  open.push(carol, dave)
  await dave.close()
  const sent = await sendText(carol, dave, 'later')
  await sent.stored
  expect(carol.delivered).toEqual([])
  await dave.open()
  expect(texts(dave)).toEqual(['later'])
  expect((await sent.delivered).undelivered).toEqual([])
})

it('a second tick that came while the sender was away is asked for', async () => {
  const erin = await newAccount(relay.url, 'erin')
  const frank = await newAccount(relay.url, 'frank')
  open.push(erin, frank)
  await frank.close()
  await (
    await sendText(erin, frank, 'hi')
  ).stored
  await erin.close()
  await frank.open()
  await waitFor(async () => (await entryCount()) === 0, { what: 'no row left' })
  await erin.open()
  await waitFor(() => erin.delivered.length === 1, { what: 'the second tick' })
})
