// Goal: devices are linked, listed and unlinked, each step repeatable; every refusal on the way.

import { unary } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import { PendingKind } from '@twotick/protocol/services'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import {
  newKeys,
  sendFrom,
  startDirectory,
  type TestDevice,
  type TestDirectory,
} from './directory.ts'

let directory: TestDirectory

beforeAll(async () => {
  directory = await startDirectory()
})

afterAll(() => directory.close())

const LIST = { $case: 'listDevices', value: {} } as const

async function deviceIds(asker: TestDevice): Promise<number[]> {
  const body = await directory.answer(asker, LIST)
  if (body?.$case !== 'deviceList') throw new Error(JSON.stringify(body))
  return body.value.devices.map(({ address }) => address?.deviceId ?? 0)
}

async function pendingOf({ address }: TestDevice) {
  const request = { olderThanMs: 0, pendingMax: 1_000 }
  const { pending } = await unary(directory.expiry, 'listPending', request, { deadlineMs: 5_000 })
  return pending.filter(({ device }) => device?.accountId === address.accountId)
}

function refusal(code: RefusalCode) {
  return { $case: 'refusal', value: { code } }
}

describe('link', () => {
  test('goal: a new device is listed, and may ask, once it has its cursor', async () => {
    const alice = await directory.account()
    const keys = newKeys()
    const { pending, response } = await directory.ask(alice, directory.linkBody(alice, keys))
    const address = { accountId: alice.address.accountId, deviceId: 2 }
    expect(response).toMatchObject({
      requestId: 7,
      body: { $case: 'linkedDevice', value: { address } },
    })
    expect(pending).toEqual({
      kind: PendingKind.ADDING_DEVICE,
      device: address,
      evictedDeviceId: 0,
    })
    expect(await pendingOf(alice)).toEqual([pending])
    expect(await deviceIds(alice)).toEqual([1])
    const companion = { ...keys, address, handle: alice.handle } as TestDevice
    expect(await directory.authenticate(companion)).toMatchObject({ $case: 'refusal' })
    expect(await directory.answer(companion, LIST)).toMatchObject(refusal(RefusalCode.UNLINKED))
    await directory.finish(pending)
    await directory.finish(pending)
    expect(await pendingOf(alice)).toEqual([])
    expect(await deviceIds(companion)).toEqual([1, 2])
    expect((await directory.claim(keys)).address).toEqual(address)
    const body = await directory.answer(alice, LIST)
    expect(body).toMatchObject({ value: { devices: [{ name: '' }, { name: 'a companion' }] } })
  })

  test('goal: a repetition answers the same address, before and after it is finished', async () => {
    const alice = await directory.account()
    const body = directory.linkBody(alice, newKeys())
    const [first, second] = await Promise.all([
      directory.ask(alice, body),
      directory.ask(alice, body),
    ])
    expect(second).toEqual(first)
    await directory.finish(first.pending)
    const third = await directory.ask(alice, body)
    expect(third).toEqual({ ...first, pending: undefined })
    expect(await deviceIds(alice)).toEqual([1, 2])
  })

  test('goal: only the primary links, by its own signature, a key of its own', async () => {
    const [alice, bob] = [await directory.account(), await directory.account()]
    const companion = await directory.companion(alice)
    const link = (asker: TestDevice, ...args: Parameters<typeof directory.linkBody>) =>
      directory.answer(asker, directory.linkBody(...args))
    expect(await link(companion, companion, newKeys())).toMatchObject(
      refusal(RefusalCode.NOT_PRIMARY),
    )
    const stranger = { ...alice, privateKey: newKeys().privateKey }
    expect(await link(alice, stranger, newKeys())).toMatchObject(
      refusal(RefusalCode.UNAUTHENTICATED),
    )
    const invalid = refusal(RefusalCode.INVALID_REQUEST)
    expect(await link(alice, alice, bob)).toMatchObject(invalid)
    expect(await link(alice, alice, alice)).toMatchObject(invalid)
    const short = { ...newKeys(), publicKey: Buffer.alloc(31) }
    expect(await link(alice, alice, short)).toMatchObject(invalid)
    const { $case, value } = directory.linkBody(alice, newKeys())
    for (const name of ['é'.repeat(33), 'a\0b']) {
      const named = { $case, value: { ...value, name } }
      expect(await directory.answer(alice, named)).toMatchObject(invalid)
    }
    expect(await deviceIds(alice)).toEqual([1, 2])
  })

  test('goal: a sixth device names who would go, and takes its place when confirmed', async () => {
    const alice = await directory.account()
    for (let linked = 1; linked < 5; linked += 1) await directory.companion(alice)
    // The primary is the longest unseen of all and stays; of the companions it is number 3.
    for (const [deviceId, days] of [
      [1, 20],
      [3, 9],
      [4, 5],
    ]) {
      await directory.sql(
        `update directory.device set seen_on = current_date - $3::int
          where account_id = $1 and device_id = $2`,
        [alice.address.accountId, deviceId, days],
      )
    }
    const keys = newKeys()
    const sixth = await directory.answer(alice, directory.linkBody(alice, keys))
    expect(sixth).toMatchObject({ value: { code: RefusalCode.DEVICE_LIMIT, detail: '3' } })
    const primary = await directory.answer(alice, directory.linkBody(alice, keys, 1))
    expect(primary).toMatchObject(refusal(RefusalCode.INVALID_REQUEST))
    expect(await deviceIds(alice)).toEqual([1, 2, 3, 4, 5])

    const { pending } = await directory.ask(alice, directory.linkBody(alice, keys, 3))
    expect(pending).toEqual({
      kind: PendingKind.REPLACING_DEVICE,
      device: { accountId: alice.address.accountId, deviceId: 6 },
      evictedDeviceId: 3,
    })
    expect(await deviceIds(alice)).toEqual([1, 2, 4, 5])
    expect(await pendingOf(alice)).toEqual([pending])
    await directory.finish(pending)
    await directory.finish(pending)
    expect(await deviceIds(alice)).toEqual([1, 2, 4, 5, 6])
    expect(await pendingOf(alice)).toEqual([])
  })

  test('goal: a link while an unlink of five is under way waits for that slot', async () => {
    const alice = await directory.account()
    for (let linked = 1; linked < 5; linked += 1) await directory.companion(alice)
    const unlink = { $case: 'unlinkDevice', value: { deviceId: 2 } } as const
    const removing = await directory.ask(alice, unlink)
    const { pending } = await directory.ask(alice, directory.linkBody(alice, newKeys()))
    expect(pending).toMatchObject({ kind: PendingKind.REPLACING_DEVICE, evictedDeviceId: 2 })
    expect(await pendingOf(alice)).toEqual([pending])
    await directory.finish(removing.pending)
    await directory.finish(pending)
    expect(await deviceIds(alice)).toEqual([1, 3, 4, 5, 6])
  })
})

describe('unlink', () => {
  test('goal: an unlinked device is listed nowhere from that moment; its number is not used again', async () => {
    const alice = await directory.account()
    const companion = await directory.companion(alice)
    const unlink = { $case: 'unlinkDevice', value: { deviceId: 2 } } as const
    const { pending, response } = await directory.ask(alice, unlink)
    expect(response?.body?.$case).toBe('done')
    expect(pending).toEqual({
      kind: PendingKind.REMOVING_DEVICE,
      device: companion.address,
      evictedDeviceId: 0,
    })
    expect(await deviceIds(alice)).toEqual([1])
    expect(await directory.answer(companion, LIST)).toMatchObject(refusal(RefusalCode.UNLINKED))
    expect(await directory.answer(alice, unlink)).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    // A late repetition of the link, or of its last step, is no way back meanwhile.
    const again = await directory.answer(alice, directory.linkBody(alice, companion))
    expect(again).toMatchObject(refusal(RefusalCode.INVALID_REQUEST))
    const linked = { ...pending!, kind: PendingKind.ADDING_DEVICE }
    await directory.finish(linked)
    expect(await deviceIds(alice)).toEqual([1])
    expect(await pendingOf(alice)).toEqual([pending])
    await directory.finish(pending)
    await directory.finish(pending)
    // Nor is it afterwards: a request may be carried out long after the one that repeated it.
    const late = await directory.answer(alice, directory.linkBody(alice, companion))
    expect(late).toMatchObject(refusal(RefusalCode.INVALID_REQUEST))
    expect((await directory.companion(alice)).address.deviceId).toBe(3)
    expect(await deviceIds(alice)).toEqual([1, 3])
  })

  test('goal: the primary unlinks any companion, a companion itself, nobody the primary', async () => {
    const alice = await directory.account()
    const [two, three] = [await directory.companion(alice), await directory.companion(alice)]
    const unlink = (asker: TestDevice, deviceId: number) =>
      directory.answer(asker, { $case: 'unlinkDevice', value: { deviceId } })
    expect(await unlink(two, 3)).toMatchObject(refusal(RefusalCode.NOT_PRIMARY))
    expect(await unlink(alice, 1)).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    expect(await unlink(two, 2)).toMatchObject({ $case: 'done' })
    expect(await unlink(alice, three.address.deviceId)).toMatchObject({ $case: 'done' })
    expect(await deviceIds(alice)).toEqual([1])
  })

  test('goal: finishing what is not pending changes nothing', async () => {
    const alice = await directory.account()
    const companion = await directory.companion(alice)
    for (const kind of [
      PendingKind.REMOVING_DEVICE,
      PendingKind.DELETING_ACCOUNT,
      PendingKind.CREATING_ACCOUNT,
      PendingKind.REPLACING_DEVICE,
    ]) {
      await directory.finish({ kind, device: companion.address, evictedDeviceId: 1 })
    }
    expect(await deviceIds(alice)).toEqual([1, 2])
  })
})

describe('devices that are not seen', () => {
  test('goal: a device that stays connected is seen by what it sends', async () => {
    const alice = await directory.account()
    const { accountId } = alice.address
    const seenDaysAgo = async () => {
      const [row] = await directory.sql(
        `select current_date - seen_on as days from directory.device where account_id = $1`,
        [accountId],
      )
      return row?.['days']
    }
    await directory.sql(
      `update directory.device set seen_on = current_date - 29 where account_id = $1`,
      [accountId],
    )
    await directory.validate(sendFrom(alice, alice, { bytes: 999_999 }))
    expect(await seenDaysAgo()).toBe(29)
    await directory.validate(sendFrom(alice, alice))
    await waitFor(async () => (await seenDaysAgo()) === 0)
  })

  test('goal: unseen companions are unlinked, unseen accounts dormant until they return', async () => {
    const alice = await directory.account()
    const bob = await directory.account()
    await directory.companion(bob)
    await directory.companion(bob)
    const created = await directory.answer(alice, {
      $case: 'createConversation',
      value: { requestKey: Buffer.alloc(16, 9), accountIds: [bob.address.accountId] },
    })
    if (created?.$case !== 'conversation') throw new Error(JSON.stringify(created))
    const { conversationId } = created.value
    await directory.sql(
      `update directory.device set seen_on = current_date - case device_id when 2 then 30 else 31 end
        where account_id = $1`,
      [bob.address.accountId],
    )
    const unseen = () =>
      unary(directory.expiry, 'unlinkUnseen', { pendingMax: 10 }, { deadlineMs: 5_000 })
    const { pending } = await unseen()
    expect(pending).toMatchObject([
      { kind: PendingKind.REMOVING_DEVICE, device: { ...bob.address, deviceId: 3 } },
    ])
    expect(await deviceIds(bob)).toEqual([1, 2])
    const rosterOf = async () => {
      const get = { $case: 'getConversation', value: { conversationId } } as const
      const body = await directory.answer(alice, get)
      if (body?.$case !== 'conversation') throw new Error(JSON.stringify(body))
      const { members, rosterVersion } = body.value
      const member = members.find(({ accountId }) => accountId === bob.address.accountId)
      return { dormant: member?.dormant, rosterVersion }
    }
    const before = await rosterOf()
    expect(before.dormant).toBe(false)

    await directory.sql(
      `update directory.device set seen_on = current_date - 31 where account_id = $1`,
      [bob.address.accountId],
    )
    await unseen()
    const dormant = await rosterOf()
    expect(dormant.dormant).toBe(true)
    expect(dormant.rosterVersion).toBeGreaterThan(before.rosterVersion)
    expect((await unseen()).pending).toEqual([])
    expect(await rosterOf()).toEqual(dormant)

    expect(await directory.authenticate(bob)).toMatchObject({ $case: 'authenticated' })
    const back = await rosterOf()
    expect(back.dormant).toBe(false)
    expect(back.rosterVersion).toBeGreaterThan(dormant.rosterVersion)
  })
})
