// Goal: accounts come to be, prove who they are, are found and go; every refusal on the way.

import { unary } from '@twotick/chassis'
import { RefusalCode } from '@twotick/protocol'
import { PendingKind } from '@twotick/protocol/services'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newKeys, startDirectory, type TestDirectory } from './directory.ts'

let directory: TestDirectory

beforeAll(async () => {
  directory = await startDirectory({ TWOTICK_CLIENT_VERSION_MINIMUM: '0.9' })
})

afterAll(() => directory.close())

describe('registration', () => {
  test('goal: a new account exists for others once its mailbox does', async () => {
    const other = await directory.account()
    const keys = newKeys()
    const { address, pending } = await directory.register('newcomer', keys)
    expect(pending).toEqual({
      kind: PendingKind.CREATING_ACCOUNT,
      device: address,
      evictedDeviceId: 0,
    })
    const lookUp = {
      $case: 'lookUp',
      value: { by: { $case: 'handle', value: 'newcomer' } },
    } as const
    expect(await directory.answer(other, lookUp)).toMatchObject({
      $case: 'refusal',
      value: { code: RefusalCode.NOT_FOUND },
    })
    expect((await directory.claim(keys)).refusal?.code).toBe(RefusalCode.NOT_FOUND)
    await directory.finish(pending)
    await directory.finish(pending)
    expect(await directory.answer(other, lookUp)).toMatchObject({
      $case: 'contact',
      value: { accountId: address?.accountId, devices: [{ address, primary: true }] },
    })
    expect((await directory.claim(keys)).address).toEqual(address)
  })

  test('goal: a handle that nobody can have is nobody’s', async () => {
    const asker = await directory.account()
    const value = { by: { $case: 'handle', value: 'a\0b' } } as const
    expect(await directory.answer(asker, { $case: 'lookUp', value })).toMatchObject({
      $case: 'refusal',
      value: { code: RefusalCode.NOT_FOUND },
    })
  })

  test('goal: a repetition answers the same address, before and after it is finished', async () => {
    const keys = newKeys()
    const first = await directory.register('repeated', keys)
    expect(await directory.register('repeated', keys)).toEqual(first)
    await directory.finish(first.pending)
    const again = await directory.register('repeated', keys)
    expect(again).toMatchObject({ address: first.address, pending: undefined })
  })

  test('goal: two registrations of one handle at once make one account', async () => {
    const replies = await Promise.all(
      Array.from({ length: 4 }, () => directory.register('contended')),
    )
    const refused = replies.filter(({ refusal }) => refusal?.code === RefusalCode.HANDLE_TAKEN)
    expect(refused).toHaveLength(3)
  })

  test('goal: what is malformed, taken or not signed is refused', async () => {
    const keys = newKeys()
    await directory.account('taken')
    const codeOf = async (...args: Parameters<typeof directory.register>) =>
      (await directory.register(...args)).refusal?.code
    expect(await codeOf('taken')).toBe(RefusalCode.HANDLE_TAKEN)
    for (const handle of ['', 'Upper', 'a b', 'x'.repeat(33)]) {
      expect(await codeOf(handle)).toBe(RefusalCode.INVALID_REQUEST)
    }
    expect(await codeOf('short-key', { ...keys, publicKey: keys.publicKey.slice(1) })).toBe(
      RefusalCode.INVALID_REQUEST,
    )
    const stolen = { ...keys, privateKey: newKeys().privateKey }
    expect(await codeOf('stolen', stolen)).toBe(RefusalCode.UNAUTHENTICATED)
    expect(await codeOf('first', keys)).toBeUndefined()
    expect(await codeOf('second', keys)).toBe(RefusalCode.INVALID_REQUEST)
    const left = await directory.sql(`select from directory.account where handle = 'second'`)
    expect(left).toHaveLength(0)
  })

  test('goal: where it is by token, only the operator’s token opens it', async () => {
    const env = { TWOTICK_REGISTRATION: 'token', TWOTICK_REGISTRATION_TOKEN: 'let me in' }
    const closed = await startDirectory(env, directory)
    const codeOf = async (token: string) =>
      (await closed.register('by-token', newKeys(), token)).refusal?.code
    expect(await codeOf('')).toBe(RefusalCode.REGISTRATION_CLOSED)
    expect(await codeOf('let me out')).toBe(RefusalCode.REGISTRATION_CLOSED)
    expect(await codeOf('let me in')).toBeUndefined()
    await closed.close()
  })
})

describe('authentication', () => {
  test('goal: an active device with its own signature is let in, and seen today', async () => {
    const alice = await directory.account()
    const { accountId } = alice.address
    await directory.sql(
      `update directory.device set seen_on = current_date - 3 where account_id = $1`,
      [accountId],
    )
    expect(await directory.authenticate(alice)).toEqual({
      $case: 'authenticated',
      value: { primary: true },
    })
    const companion = await directory.companion(alice)
    expect(await directory.authenticate(companion)).toMatchObject({ value: { primary: false } })
    const seen = await directory.sql(
      `select from directory.device where account_id = $1 and seen_on = current_date`,
      [accountId],
    )
    expect(seen).toHaveLength(2)
  })

  test('goal: an unknown device, a bad signature and an unlinked device look the same', async () => {
    const alice = await directory.account()
    const unlinked = await directory.companion(alice)
    await directory.answer(alice, {
      $case: 'unlinkDevice',
      value: { deviceId: unlinked.address.deviceId },
    })
    const outcomes = [
      await directory.authenticate({ ...alice, address: { ...alice.address, deviceId: 4 } }),
      await directory.authenticate({ ...alice, privateKey: newKeys().privateKey }),
      await directory.authenticate(unlinked),
    ]
    for (const outcome of outcomes) {
      const value = { code: RefusalCode.UNAUTHENTICATED, detail: '', retryAfterMs: 0 }
      expect(outcome).toEqual({ $case: 'refusal', value })
    }
  })

  test('goal: a client version below the minimum must upgrade', async () => {
    const alice = await directory.account()
    const code = { value: { code: RefusalCode.UPGRADE_REQUIRED } }
    expect(await directory.authenticate(alice, '0.8.9')).toMatchObject(code)
    expect(await directory.authenticate(alice, 'newest')).toMatchObject(code)
    expect(await directory.authenticate(alice, '0.9')).toMatchObject({ $case: 'authenticated' })
  })

  test('goal: a claim with a bad signature tells nothing', async () => {
    const alice = await directory.account()
    const reply = await directory.claim({ ...alice, privateKey: newKeys().privateKey })
    expect(reply.refusal?.code).toBe(RefusalCode.UNAUTHENTICATED)
  })
})

describe('deletion', () => {
  test('goal: a deleted account is gone for everybody at once, and its rows at the end', async () => {
    const [alice, bob] = [await directory.account(), await directory.account()]
    const companion = await directory.companion(alice)
    const created = await directory.answer(bob, {
      $case: 'createConversation',
      value: { requestKey: Buffer.alloc(16, 1), accountIds: [alice.address.accountId] },
    })
    if (created?.$case !== 'conversation') throw new Error('no conversation')
    const deletion = (handle: string) => ({ $case: 'deleteAccount', value: { handle } }) as const
    expect(await directory.answer(companion, deletion(alice.handle))).toMatchObject({
      value: { code: RefusalCode.NOT_PRIMARY },
    })
    expect(await directory.answer(alice, deletion(bob.handle))).toMatchObject({
      value: { code: RefusalCode.INVALID_REQUEST },
    })

    const packages = [Buffer.from('a key package')]
    await directory.answer(alice, { $case: 'publishKeyPackages', value: { packages } })
    const { pending, response } = await directory.ask(alice, deletion(alice.handle))
    expect(response?.body?.$case).toBe('done')
    expect(pending).toMatchObject({ kind: PendingKind.DELETING_ACCOUNT, device: { deviceId: 0 } })
    expect(await directory.authenticate(alice)).toMatchObject({ $case: 'refusal' })
    expect(await directory.answer(alice, { $case: 'listDevices', value: {} })).toMatchObject({
      value: { code: RefusalCode.UNLINKED },
    })
    const { conversationId, rosterVersion } = created.value
    const left = await directory.answer(bob, {
      $case: 'getConversation',
      value: { conversationId },
    })
    if (left?.$case !== 'conversation') throw new Error('no conversation')
    expect(left.value.members.map(({ accountId }) => accountId)).toEqual([bob.address.accountId])
    expect(left.value.rosterVersion).toBeGreaterThan(rosterVersion)

    const listed = await unary(
      directory.expiry,
      'listPending',
      { olderThanMs: 0, pendingMax: 100 },
      { deadlineMs: 5_000 },
    )
    expect(listed.pending).toContainEqual(pending)
    await directory.finish(pending)
    await directory.finish(pending)
    for (const table of ['account', 'device', 'member', 'key_package', 'publication', 'block']) {
      const rows = await directory.sql(`select from directory.${table} where account_id = $1`, [
        alice.address.accountId,
      ])
      expect(rows, table).toHaveLength(0)
    }
    // A registration that is carried out late brings neither the account back nor a key of it.
    for (const { handle } of [alice, { handle: `${alice.handle}-2` }]) {
      const again = await directory.register(handle, alice)
      expect(again.refusal?.code).toBe(RefusalCode.INVALID_REQUEST)
    }
    expect((await directory.register(alice.handle)).refusal).toBeUndefined()
  })
})
