// Goal: in a group of 50 each member's devices get every message once, in order; so do the sender's
// own other devices, without a second tick from them.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { bytes, linkDevice, newAccount, type TestDevice, texts } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

const MEMBERS = 50
const MESSAGES = 10

let relay: Relay
const open: TestDevice[] = []

beforeAll(async () => {
  relay = await startRelay()
})

afterAll(async () => {
  await Promise.all(open.map((device) => device.close()))
  await relay.stop()
})

it('a group of 50', async () => {
  const alice = await newAccount(relay.url, 'alice')
  const laptop = await linkDevice(relay.url, alice)
  await laptop.open()
  const others: TestDevice[] = []
  for (let number = 1; number < MEMBERS; number++) {
    others.push(await newAccount(relay.url, `member${number}`))
  }
  // A member with a second device.
  const second = await linkDevice(relay.url, others[0]!)
  await second.open()
  open.push(alice, laptop, second, ...others)

  const accounts = others.map(({ address }) => address.accountId)
  const { conversationId } = await alice.device.createConversation(accounts)
  const sends = []
  for (let number = 1; number <= MESSAGES; number++) {
    const body = bytes(`message ${number}`)
    sends.push(await alice.device.send({ to: { conversation: conversationId }, body }))
  }
  const outcomes = await Promise.all(sends.map(({ delivered }) => delivered))
  for (const { delivered, undelivered } of outcomes) {
    expect([...delivered].sort()).toEqual([...accounts].sort())
    expect(undelivered).toEqual([])
  }

  const expected = Array.from({ length: MESSAGES }, (_, index) => `message ${index + 1}`)
  for (const device of [...others, second, laptop]) {
    await waitFor(() => texts(device).length >= MESSAGES, { what: 'all messages' })
    expect(texts(device)).toEqual(expected)
  }
  expect(texts(alice)).toEqual([])
  expect(alice.delivered).toHaveLength(MESSAGES * (MEMBERS - 1))
  await waitFor(async () => (await relay.sql('select 1 from mailbox.entry')).length === 0, {
    what: 'no row left',
  })
})
