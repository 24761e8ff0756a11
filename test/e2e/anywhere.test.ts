// What any relay must do, seen by SDK devices alone: on one of the test's own, or on a deployment that
// TWOTICK_TEST_URL leads to (compose, Kubernetes), which takes registrations from everybody.

import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { linkDevice, newAccount, sendText, type TestDevice, texts } from '../device.ts'
import { anyRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

// A deployment has the limits for strangers: a burst of 60 for a pair.
const MESSAGES = 40

let relay: Awaited<ReturnType<typeof anyRelay>>
const open: TestDevice[] = []

beforeAll(async () => {
  relay = await anyRelay()
}, 60_000)
afterEach(async () => {
  await Promise.all(open.splice(0).map((device) => device.close()))
})
afterAll(() => relay.stop())

async function account(name: string): Promise<TestDevice> {
  const device = await newAccount(relay.url, `${name}-${randomBytes(6).toString('hex')}`)
  open.push(device)
  return device
}

test('one message after another, to three devices of which one is away', async () => {
  // Goal: every device has everything, in order, and the sender both ticks.
  const alice = await account('alice')
  const bob = await account('bob')
  const laptop = await linkDevice(relay.url, bob)
  const tablet = await linkDevice(relay.url, bob)
  open.push(laptop, tablet)
  await laptop.open()

  const expected = Array.from({ length: MESSAGES }, (_, index) => `message ${index + 1}`)
  for (const text of expected) await sendText(alice, bob, text)
  await waitFor(() => alice.delivered.length === expected.length, { what: 'all second ticks' })
  for (const device of [bob, laptop]) {
    await waitFor(() => texts(device).length >= expected.length, { what: 'all messages' })
    expect(texts(device)).toEqual(expected)
  }
  await tablet.open()
  expect(texts(tablet)).toEqual(expected)
})

test('a message waits for an account that is away, and its sender is told later', async () => {
  // Goal: a second tick that came while the sender was away, too, is known afterwards.
  const frank = await account('frank')
  const grace = await account('grace')
  await grace.close()
  const sent = await sendText(frank, grace, 'wait for me')
  await sent.stored
  await frank.close()
  await grace.open()
  expect(texts(grace)).toEqual(['wait for me'])
  await grace.close()
  await frank.open()
  await waitFor(() => frank.delivered.length === 1, { what: 'the second tick' })
})

test('a group: everybody has it, and both ticks name who', async () => {
  // Goal: one envelope, an entry for each recipient account, a second tick from each.
  const [alice, bob, carol] = [await account('alice'), await account('bob'), await account('carol')]
  const members = [bob, carol].map(({ address }) => address.accountId)
  const { conversationId } = await alice.device.createConversation(members)
  const body = new TextEncoder().encode('to all')
  const sent = await alice.device.send({ to: { conversation: conversationId }, body })
  expect([...(await sent.delivered).delivered].sort()).toEqual([...members].sort())
})

test('an unlinked device is told, and gets nothing more', async () => {
  // Goal: unlinking takes effect on a live session.
  const alice = await account('alice')
  const bob = await account('bob')
  const tablet = await linkDevice(relay.url, bob)
  open.push(tablet)
  await tablet.open()
  let isTold = false
  tablet.device.on('unlinked', () => (isTold = true))
  await bob.device.unlinkDevice(tablet.address.deviceId)
  await waitFor(() => isTold, { what: 'the unlinked device to be told' })
  await (
    await sendText(alice, bob, 'only for the phone')
  ).delivered
  expect(texts(tablet)).toEqual([])
})
