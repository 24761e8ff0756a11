// Goal: a device that loses its connection in the middle of 10,000 waiting entries gets each exactly
// once in effect, in order, and then Drained.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { newAccount, sendText, type TestDevice, testDevice } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

const WAITING = 10_000
const CRASHES_AT = [1_000, 2_500, 6_000]

let relay: Relay
const open: TestDevice[] = []

beforeAll(async () => {
  relay = await startRelay()
})

afterAll(async () => {
  await Promise.all(open.map((device) => device.close()))
  await relay.stop()
})

it('10,000 waiting, three crashes on the way', async () => {
  const alice = await newAccount(relay.url, 'alice')
  const bob = await newAccount(relay.url, 'bob')
  open.push(alice)
  await bob.close()
  const stored: Promise<unknown>[] = []
  for (let number = 1; number <= WAITING; number++) {
    stored.push((await sendText(alice, bob, `${number}`)).stored)
  }
  await Promise.all(stored)

  // What had its effect before a crash was handled before it; the storage is what a crash leaves.
  const effects: string[] = []
  for (const crashAt of CRASHES_AT) {
    const device = testDevice(bob.storage, bob.address)
    await device.openSoon()
    await waitFor(() => effects.length + device.received.length >= crashAt, {
      what: `${crashAt} received`,
      deadlineMs: 60_000,
    })
    device.abandon()
    effects.push(...device.received.map(({ text }) => text))
  }
  const last = testDevice(bob.storage, bob.address)
  open.push(last)
  await last.open()
  await waitFor(() => effects.length + last.received.length >= WAITING, {
    what: 'all',
    deadlineMs: 60_000,
  })
  effects.push(...last.received.map(({ text }) => text))

  expect(last.missed).toEqual([])
  expect(inOrderWithoutRepeats(effects)).toEqual(numbers(WAITING))
  await waitFor(async () => (await relay.sql('select 1 from mailbox.entry')).length === 0, {
    what: 'no row left',
  })
}, 240_000)

function numbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${index + 1}`)
}

/**
 * The inbox holds a message once. The handler of the one that was at work when the device crashed
 * runs again, so the first effects after a crash may repeat the last ones before it.
 */
function inOrderWithoutRepeats(effects: readonly string[]): string[] {
  const once: string[] = []
  for (const effect of effects) if (Number(effect) > Number(once.at(-1) ?? 0)) once.push(effect)
  const repeats = effects.length - once.length
  expect(repeats).toBeLessThanOrEqual(CRASHES_AT.length * 256)
  return once
}
