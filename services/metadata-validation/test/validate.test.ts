// Goal: each send gets its own verdict: accepted with its recipients, or refused with the first code
// that applies.

import { EnvelopeType, RefusalCode } from '@twotick/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { waitFor } from '../../../test/wait.ts'
import {
  recipientsOf,
  sendFrom,
  startDirectory,
  type TestDevice,
  type TestDirectory,
} from './directory.ts'

let directory: TestDirectory
let replica: TestDirectory

beforeAll(async () => {
  // A lifetime beyond the test's, so that what it sees is not the cache's forgetting by time.
  const env = { TWOTICK_CLIENT_VERSION_MINIMUM: '0.9', TWOTICK_CACHE_LIFETIME_MS: '60000' }
  directory = await startDirectory(env)
  replica = await startDirectory(env, directory)
})

afterAll(async () => {
  await replica.close()
  await directory.close()
})

describe('a send to an account', () => {
  test('goal: it is accepted with that account as recipient, and the type’s lifetime', async () => {
    const [alice, bob] = [await directory.account(), await directory.account()]
    const [plain, call, note] = await directory.validate(
      sendFrom(alice, bob, { id: 4, lifetimeS: 77 }),
      sendFrom(alice, bob, { id: 5, type: EnvelopeType.CALL }),
      sendFrom(alice, alice, { id: 6 }),
    )
    const accepted = (accountIds: string[], lifetimeS: number) => ({
      $case: 'accepted',
      value: { recipientAccountIds: accountIds, lifetimeS },
    })
    expect(plain).toEqual({
      id: 4,
      outcome: accepted([bob.address.accountId], 77),
      roster: undefined,
    })
    expect(call?.outcome).toEqual(accepted([bob.address.accountId], 60))
    expect(note?.outcome).toEqual(accepted([], 30 * 86_400))
  })

  test('goal: each refusal is its own, and the first that applies', async () => {
    const [alice, bob] = [await directory.account(), await directory.account()]
    const nobody = { ...bob, address: { ...bob.address, accountId: alice.address.accountId } }
    const unlinked = await directory.companion(alice)
    await directory.answer(unlinked, { $case: 'unlinkDevice', value: { deviceId: 2 } })
    const unknown = {
      ...bob,
      address: { ...bob.address, accountId: crypto.randomUUID() as typeof bob.address.accountId },
    }
    const wrong = {
      clientVersion: '0.1',
      type: 77 as EnvelopeType,
      bytes: 999_999,
      lifetimeS: 99_999_999,
      rosterVersion: 99,
    }
    const { MESSAGE } = EnvelopeType
    const inOrder: [Partial<Parameters<typeof sendFrom>[2]>, RefusalCode][] = [
      [wrong, RefusalCode.UPGRADE_REQUIRED],
      [{ ...wrong, clientVersion: '1' }, RefusalCode.UNKNOWN_TYPE],
      [{ ...wrong, clientVersion: '1', type: MESSAGE }, RefusalCode.TOO_LARGE],
      [
        { ...wrong, clientVersion: '1', type: MESSAGE, bytes: 1 },
        RefusalCode.LIFETIME_OUT_OF_BOUNDS,
      ],
    ]
    const verdicts = await directory.validate(
      sendFrom(unlinked, unknown, wrong),
      sendFrom({ ...alice, address: unknown.address }, bob),
      ...inOrder.map(([rest]) => sendFrom(alice, unknown, rest)),
      sendFrom(alice, unknown, { rosterVersion: 99 }),
      sendFrom(alice, { conversationId: crypto.randomUUID() }, { rosterVersion: 99 }),
      sendFrom(alice, { conversationId: 'none' }),
      { ...sendFrom(alice, bob), to: undefined },
      { ...sendFrom(alice, nobody), sender: undefined },
    )
    expect(verdicts.map(recipientsOf)).toEqual([
      RefusalCode.UNLINKED,
      RefusalCode.UNLINKED,
      ...inOrder.map(([, code]) => code),
      RefusalCode.UNKNOWN_RECIPIENT,
      RefusalCode.NOT_A_MEMBER,
      RefusalCode.NOT_A_MEMBER,
      RefusalCode.UNKNOWN_RECIPIENT,
      RefusalCode.UNLINKED,
    ])
  })

  test('goal: unknown, blocked and deleted look the same', async () => {
    const [alice, bob, carol] = await Promise.all(
      Array.from({ length: 3 }, () => directory.account()),
    )
    if (!alice || !bob || !carol) throw new Error('no accounts')
    await directory.validate(sendFrom(alice, bob), sendFrom(alice, carol))
    await directory.setBlock(bob, alice, true)
    await directory.answer(carol, { $case: 'deleteAccount', value: { handle: carol.handle } })
    const unknown = { ...bob, address: { ...bob.address, accountId: crypto.randomUUID() } }
    const to = [bob, carol, unknown as TestDevice]
    const verdicts = await directory.validate(...to.map((one) => sendFrom(alice, one)))
    const signals = await directory.validate(
      ...to.map((one) => sendFrom(alice, one, { isSignal: true })),
    )
    for (const verdict of [...verdicts, ...signals]) {
      expect(verdict).toEqual({
        id: 1,
        outcome: {
          $case: 'refusal',
          value: { code: RefusalCode.UNKNOWN_RECIPIENT, detail: '', retryAfterMs: 0 },
        },
        roster: undefined,
      })
    }
    // A block is one-way, and ends.
    expect(await directory.validate(sendFrom(bob, alice))).toMatchObject([
      { outcome: { $case: 'accepted' } },
    ])
    await directory.setBlock(bob, alice, false)
    expect(await directory.validate(sendFrom(alice, bob))).toMatchObject([
      { outcome: { $case: 'accepted' } },
    ])
  })

  test('goal: its roster is the active devices of both, by version and by parts', async () => {
    const [alice, bob] = [await directory.account(), await directory.account()]
    const lookUp = {
      $case: 'lookUp',
      value: { by: { $case: 'handle', value: bob.handle } },
    } as const
    const contactOf = async () => {
      const body = await directory.answer(alice, lookUp)
      if (body?.$case !== 'contact') throw new Error(JSON.stringify(body))
      return body.value
    }
    const before = await contactOf()
    const parts = [bob.address]
    const rosterVersion = before.rosterVersion
    const current = sendFrom(alice, bob, { rosterVersion, parts })
    expect(recipientsOf((await directory.validate(current))[0])).toEqual([bob.address.accountId])
    expect((await directory.validate({ ...current, rosterVersion: 0 }))[0]?.roster).toEqual({
      rosterVersion,
      missing: [],
      extra: [],
    })

    const bobs = await directory.companion(bob)
    const alices = await directory.companion(alice)
    const [stale] = await directory.validate(current)
    const after = await contactOf()
    expect(recipientsOf(stale)).toBe(RefusalCode.ROSTER_STALE)
    expect(stale?.roster).toEqual({
      rosterVersion: after.rosterVersion,
      missing: [bobs.address, alices.address],
      extra: [],
    })
    expect(after.rosterVersion).toBeGreaterThan(rosterVersion)
    expect(after.devices.map(({ address }) => address)).toEqual([bob.address, bobs.address])
    expect(after.ownDevices.map(({ address }) => address)).toEqual([alices.address])
    // Other people's names and days are none of the asker's business.
    expect(after.devices).toMatchObject([{ seenAtMs: 0 }, { seenAtMs: 0, name: '' }])
    const repaired = sendFrom(alice, bob, {
      rosterVersion: after.rosterVersion,
      parts: [bob.address, bobs.address, alices.address],
    })
    expect(recipientsOf((await directory.validate(repaired))[0])).toEqual([bob.address.accountId])
  })

  test('goal: a note to one’s own devices is for exactly the other ones', async () => {
    const alice = await directory.account()
    const companion = await directory.companion(alice)
    const lookUp = {
      $case: 'lookUp',
      value: { by: { $case: 'accountId', value: alice.address.accountId } },
    } as const
    const body = await directory.answer(alice, lookUp)
    if (body?.$case !== 'contact') throw new Error(JSON.stringify(body))
    const { rosterVersion, ownDevices } = body.value
    expect(ownDevices.map(({ address }) => address)).toEqual([companion.address])
    const note = sendFrom(alice, alice, { rosterVersion, parts: [companion.address] })
    expect(recipientsOf((await directory.validate(note))[0])).toEqual([])
    const [wrong] = await directory.validate({ ...note, parts: [alice.address] })
    expect(wrong?.roster).toEqual({
      rosterVersion,
      missing: [companion.address],
      extra: [alice.address],
    })
  })
})

describe('a send to a conversation', () => {
  test('goal: it is for the other members, dormant ones aside, at the current version', async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => directory.account()))
    const [alice, bob, carol, stranger] = people
    if (!alice || !bob || !carol || !stranger) throw new Error('no accounts')
    const { conversationId, rosterVersion } = await directory.group(alice, bob, carol)
    const send = (rest = {}) => sendFrom(alice, { conversationId }, { rosterVersion, ...rest })
    const [accepted, without, forged] = await directory.validate(
      send(),
      send({ rosterVersion: 0 }),
      sendFrom(stranger, { conversationId }, { rosterVersion }),
    )
    expect(recipientsOf(accepted)).toEqual(
      [bob.address.accountId, carol.address.accountId].toSorted(),
    )
    expect(recipientsOf(without)).toBe(RefusalCode.ROSTER_STALE)
    expect(without?.roster?.rosterVersion).toBe(rosterVersion)
    expect(recipientsOf(forged)).toBe(RefusalCode.NOT_A_MEMBER)
    const parts = [bob.address, carol.address]
    expect(recipientsOf((await directory.validate(send({ parts })))[0])).toHaveLength(2)

    await directory.sql(`update directory.account set dormant = true where account_id = $1`, [
      carol.address.accountId,
    ])
    const fresh = await startDirectory({}, directory)
    const [dormant, staleParts] = await fresh.validate(send(), send({ parts }))
    expect(recipientsOf(dormant)).toEqual([bob.address.accountId])
    expect(staleParts?.roster).toMatchObject({ missing: [], extra: [carol.address] })
    await fresh.close()
  })

  test('goal: size times recipients is bounded', async () => {
    const maker = await directory.account()
    const others = await Promise.all(Array.from({ length: 65 }, () => directory.account()))
    const { conversationId, rosterVersion } = await directory.group(maker, ...others)
    const send = (bytes: number) => sendFrom(maker, { conversationId }, { rosterVersion, bytes })
    const [small, large] = await directory.validate(send(64_000), send(65_000))
    expect(recipientsOf(small)).toHaveLength(65)
    expect(recipientsOf(large)).toBe(RefusalCode.TOO_LARGE)
  })

  test('goal: a change of members or of a member’s devices makes the roster stale', async () => {
    const [alice, bob, carol] = [
      await directory.account(),
      await directory.account(),
      await directory.account(),
    ]
    const { conversationId, rosterVersion: first } = await directory.group(alice, bob)
    const codeAt = async (rosterVersion: number) => {
      const [verdict] = await replica.validate(
        sendFrom(alice, { conversationId }, { rosterVersion }),
      )
      return {
        code: recipientsOf(verdict),
        version: verdict?.roster?.rosterVersion ?? rosterVersion,
      }
    }
    expect((await codeAt(first)).code).toEqual([bob.address.accountId])
    const add = {
      conversationId,
      addAccountIds: [carol.address.accountId],
      removeAccountIds: [],
    }
    await directory.answer(bob, { $case: 'changeMembers', value: add })
    const second = await waitFor(async () => {
      const { code, version } = await codeAt(first)
      return code === RefusalCode.ROSTER_STALE ? version : undefined
    })
    expect((await codeAt(second)).code).toHaveLength(2)
    const companion = await directory.companion(carol)
    const third = await waitFor(async () => {
      const { code, version } = await codeAt(second)
      return code === RefusalCode.ROSTER_STALE ? version : undefined
    })
    expect(third).toBeGreaterThan(second)
    await directory.answer(companion, { $case: 'unlinkDevice', value: { deviceId: 2 } })
    const remove = { ...add, addAccountIds: [], removeAccountIds: [carol.address.accountId] }
    await directory.answer(alice, { $case: 'changeMembers', value: remove })
    await waitFor(async () => {
      const [verdict] = await replica.validate(
        sendFrom(carol, { conversationId }, { rosterVersion: third }),
      )
      return recipientsOf(verdict) === RefusalCode.NOT_A_MEMBER
    })
  })
})
