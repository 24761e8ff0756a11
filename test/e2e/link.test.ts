// Goal: linking and unlinking under waiting messages: no false second tick, nothing missed by either
// device, and what is killed between its two steps is finished by itself.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLinkCode, memoryStorage } from '@twotick/sdk'
import { linkDevice, newAccount, sendText, type TestDevice, testDevice, texts } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

let relay: Relay
const open: TestDevice[] = []

beforeAll(async () => {
  relay = await startRelay({
    env: { expiry: { TWOTICK_SWEEP_INTERVAL_MS: '500', TWOTICK_UNLINK_INTERVAL_MS: '500' } },
  })
})

afterAll(async () => {
  await Promise.all(open.map((device) => device.close()))
  await relay.stop()
})

async function rowsOf(accountId: string): Promise<number> {
  const rows = await relay.sql('select 1 from mailbox.entry where account_id = $1', [accountId])
  return rows.length
}

it('a device linked while messages wait for another gives no second tick for them', async () => {
  const alice = await newAccount(relay.url, 'alice')
  const bob = await newAccount(relay.url, 'bob')
  const phone = await linkDevice(relay.url, bob)
  open.push(alice, bob, phone)
  // Both of Bob's first devices go away; he must be there to link the third.
  const early = await sendText(alice, phone, 'to the first two')
  await early.stored
  await waitFor(() => alice.delivered.length === 1)
  await bob.close()
  const waiting = await sendText(alice, phone, 'waits for the first two')
  await waiting.stored

  await bob.openSoon()
  const tablet = await linkWhileBehind(bob)
  open.push(tablet)
  await tablet.open()
  expect(texts(tablet)).toEqual([])

  await phone.open()
  expect(texts(phone)).toEqual(['to the first two', 'waits for the first two'])
  await waiting.delivered
  const both = await sendText(alice, phone, 'to all three')
  await both.delivered
  for (const device of [bob, phone, tablet]) {
    await waitFor(() => texts(device).at(-1) === 'to all three')
  }
  await waitFor(async () => (await rowsOf(bob.address.accountId)) === 0, { what: 'no row left' })
})

async function linkWhileBehind(primary: TestDevice): Promise<TestDevice> {
  await waitFor(() => primary.device.isConnected(), { what: 'the primary' })
  return linkDevice(relay.url, primary)
}

it('a link whose store step never came is finished, and the device gets its address', async () => {
  const carol = await newAccount(relay.url, 'carol')
  open.push(carol)
  const storage = memoryStorage()
  const code = await createLinkCode({ storage })
  // The gateway dies between the two steps: the directory has the device as adding, and that is all.
  await relay.services['envelope-store'].signal('SIGSTOP')
  const asked = carol.device.linkDevice(code).catch(() => undefined)
  await waitFor(async () => {
    const rows = await relay.sql(
      `select 1 from directory.device where account_id = $1 and device_id = 2`,
      [carol.address.accountId],
    )
    return rows.length === 1
  })
  await relay.services.gateway.signal('SIGKILL')
  await relay.services['envelope-store'].signal('SIGCONT')
  await relay.services.gateway.start()
  await asked

  const laptop = testDevice(storage, { accountId: carol.address.accountId, deviceId: 2 })
  const { claimDevice } = await import('@twotick/sdk')
  const address = await claimDevice({ url: relay.url, storage, everyMs: 200 })
  expect(address).toEqual({ accountId: carol.address.accountId, deviceId: 2 })
  open.push(laptop)
  await laptop.open()
  const dora = await newAccount(relay.url, 'dora')
  open.push(dora)
  await (
    await sendText(dora, carol, 'to both')
  ).delivered
  await waitFor(() => texts(laptop).length === 1 && texts(carol).length === 1)
}, 60_000)

it('an unlink whose store step never came is finished: no row is stuck, the sender is told', async () => {
  const erin = await newAccount(relay.url, 'erin')
  const frank = await newAccount(relay.url, 'frank')
  const laptop = await linkDevice(relay.url, frank)
  open.push(erin, frank)
  const sent = await sendText(erin, frank, 'the laptop never gets it')
  await sent.delivered
  expect(await rowsOf(frank.address.accountId)).toBe(1)

  await relay.services['envelope-store'].signal('SIGSTOP')
  const asked = frank.device.unlinkDevice(laptop.address.deviceId).catch(() => undefined)
  await waitFor(async () => {
    const rows = await relay.sql(
      `select 1 from directory.device where account_id = $1 and device_id = 2
          and intent = 'removing'`,
      [frank.address.accountId],
    )
    return rows.length === 1
  })
  await relay.services.gateway.signal('SIGKILL')
  await relay.services['envelope-store'].signal('SIGCONT')
  await relay.services.gateway.start()
  await asked
  await waitFor(async () => (await rowsOf(frank.address.accountId)) === 0, {
    what: 'the row gone with the last device that it waited for',
    deadlineMs: 30_000,
  })
  expect(erin.notices).toEqual([])
}, 60_000)

it('unlinking the only device that a message is for tells its sender', async () => {
  const gina = await newAccount(relay.url, 'gina')
  const hugo = await newAccount(relay.url, 'hugo')
  open.push(gina, hugo)
  await hugo.close()
  const sent = await sendText(gina, hugo, 'nobody gets it')
  await sent.stored
  await hugo.openSoon()
  hugo.abandon()
  // Deleting the account is the unlink of all its devices.
  const again = testDevice(hugo.storage, hugo.address)
  await again.openSoon()
  await waitFor(() => again.device.isConnected())
  await again.device.deleteAccount('hugo')
  again.abandon()
  const outcome = await sent.delivered
  const [settled] = [...outcome.delivered, ...outcome.undelivered.map((one) => one.accountId)]
  expect(settled).toBe(hugo.address.accountId)
  await waitFor(async () => (await rowsOf(hugo.address.accountId)) === 0, { what: 'no row left' })
})
