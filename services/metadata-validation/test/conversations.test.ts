// Goal: conversations and blocks: what their commands do, and every refusal of theirs.

import { RefusalCode, type Conversation, type Response } from '@twotick/protocol'
import { randomBytes, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDirectory, type TestDevice, type TestDirectory } from './directory.ts'

let directory: TestDirectory
let alice: TestDevice
let bob: TestDevice
let carol: TestDevice

beforeAll(async () => {
  directory = await startDirectory()
  alice = await directory.account('alice')
  bob = await directory.account('bob')
  carol = await directory.account('carol')
})

afterAll(() => directory.close())

function create(maker: TestDevice, accountIds: string[], requestKey = randomBytes(16)) {
  const value = { requestKey, accountIds }
  return directory.answer(maker, { $case: 'createConversation', value })
}

function change(asker: TestDevice, conversationId: string, add: string[], remove: string[] = []) {
  const value = { conversationId, addAccountIds: add, removeAccountIds: remove }
  return directory.answer(asker, { $case: 'changeMembers', value })
}

function whole(body: Response['body']): Conversation {
  if (body?.$case !== 'conversation') throw new Error(JSON.stringify(body))
  return body.value
}

const idOf = ({ address }: TestDevice): string => address.accountId
const memberIds = ({ members }: Conversation) => members.map(({ accountId }) => accountId)
const refusal = (code: RefusalCode) => ({ $case: 'refusal', value: { code } })
const block = (asker: TestDevice, accountId: string, blocked: boolean) =>
  directory.answer(asker, { $case: 'setBlock', value: { accountId, blocked } })

/** Makes accounts by SQL: a thousand registrations would only be slow. */
async function manyAccounts(count: number): Promise<string[]> {
  const rows = await directory.sql(
    `insert into directory.account (account_id, handle, state)
      select gen_random_uuid(), 'many-' || gen_random_uuid(), 'active'
      from generate_series(1, $1::int) returning account_id`,
    [count],
  )
  return rows.map((row) => row['account_id'] as string)
}

describe('conversations', () => {
  test('goal: a group has its maker and the others, and a repetition finds it', async () => {
    const key = randomBytes(16)
    const accountIds = [idOf(bob), idOf(alice), idOf(bob)]
    const [first, second] = await Promise.all([
      create(alice, accountIds, key),
      create(alice, accountIds, key),
    ])
    expect(second).toEqual(first)
    const { conversationId, members } = whole(first)
    expect(memberIds(whole(first))).toEqual([idOf(alice), idOf(bob)].toSorted())
    const other = members.find(({ accountId }) => accountId === idOf(bob))
    expect(other).toMatchObject({
      handle: 'bob',
      dormant: false,
      devices: [{ address: bob.address, publicKey: bob.publicKey, primary: true }],
    })
    const get = { $case: 'getConversation', value: { conversationId } } as const
    expect(whole(await directory.answer(bob, get)).rosterVersion).toBe(1)
    expect(await directory.answer(carol, get)).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    expect(await directory.answer(bob, { $case: 'listConversations', value: {} })).toMatchObject({
      value: { conversationIds: expect.arrayContaining([conversationId]) },
    })
  })

  test('goal: what cannot be made is refused', async () => {
    expect(await create(alice, [], randomBytes(15))).toMatchObject(
      refusal(RefusalCode.INVALID_REQUEST),
    )
    for (const other of [randomUUID(), 'nobody']) {
      expect(await create(alice, [idOf(bob), other])).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    }
    await block(carol, idOf(alice), true)
    expect(await create(alice, [idOf(carol)])).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    await block(carol, idOf(alice), false)
  })

  test('goal: any member adds, a member leaves, and only the maker removes others', async () => {
    const { conversationId, rosterVersion } = whole(await create(alice, [idOf(bob)]))
    const added = whole(await change(bob, conversationId, [idOf(carol)]))
    expect(memberIds(added)).toHaveLength(3)
    expect(added.rosterVersion).toBeGreaterThan(rosterVersion)
    const again = whole(await change(bob, conversationId, [idOf(carol)]))
    expect(again.rosterVersion).toBe(added.rosterVersion)
    expect(await change(bob, conversationId, [], [idOf(carol)])).toMatchObject(
      refusal(RefusalCode.INVALID_REQUEST),
    )
    expect(await change(bob, conversationId, [idOf(carol)], [idOf(carol)])).toMatchObject(
      refusal(RefusalCode.INVALID_REQUEST),
    )
    expect(memberIds(whole(await change(alice, conversationId, [], [idOf(carol)])))).toHaveLength(2)
    expect(await change(carol, conversationId, [idOf(carol)])).toMatchObject(
      refusal(RefusalCode.NOT_FOUND),
    )
    expect(await change(alice, conversationId, [randomUUID()])).toMatchObject(
      refusal(RefusalCode.NOT_FOUND),
    )
    expect(await change(alice, randomUUID(), [])).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    expect(memberIds(whole(await change(bob, conversationId, [], [idOf(bob)])))).toEqual([
      idOf(alice),
    ])
    expect(memberIds(whole(await change(alice, conversationId, [], [idOf(alice)])))).toEqual([])
    const left = await directory.sql(
      `select from directory.conversation where conversation_id = $1`,
      [conversationId],
    )
    expect(left).toHaveLength(0)
  })

  test('goal: a conversation has at most a thousand members', async () => {
    const others = await manyAccounts(1_000)
    expect(await create(alice, others)).toMatchObject(refusal(RefusalCode.LIMIT_REACHED))
    const { conversationId, members } = whole(await create(alice, others.slice(1)))
    expect(members).toHaveLength(1_000)
    expect(await change(alice, conversationId, others)).toMatchObject(
      refusal(RefusalCode.LIMIT_REACHED),
    )
    const swapped = await change(alice, conversationId, others.slice(0, 1), others.slice(1, 2))
    expect(whole(swapped).members).toHaveLength(1_000)
  })

  test('goal: an account is in at most a thousand conversations', async () => {
    const dave = await directory.account()
    await directory.sql(
      `with made as (
        insert into directory.conversation (conversation_id, made_by, request_key)
        select gen_random_uuid(), $1, decode(lpad(to_hex(n), 32, '0'), 'hex')
        from generate_series(1, 1000) n returning conversation_id)
      insert into directory.member select conversation_id, $1 from made`,
      [idOf(dave)],
    )
    expect(await create(dave, [idOf(bob)])).toMatchObject(refusal(RefusalCode.LIMIT_REACHED))
    const { conversationId } = whole(await create(alice, [idOf(bob)]))
    expect(await change(alice, conversationId, [idOf(dave)])).toMatchObject(
      refusal(RefusalCode.LIMIT_REACHED),
    )
  })
})

describe('blocks', () => {
  test('goal: who is blocked finds nobody; who blocks learns nothing', async () => {
    const dave = await directory.account()
    const lookUp = (by: 'handle' | 'accountId') =>
      directory.answer(alice, {
        $case: 'lookUp',
        value: {
          by:
            by === 'handle'
              ? { $case: 'handle', value: dave.handle }
              : { $case: 'accountId', value: idOf(dave) },
        },
      })
    expect(await lookUp('accountId')).toMatchObject({ $case: 'contact' })
    for (let times = 0; times < 2; times += 1) {
      expect(await block(dave, idOf(alice), true)).toMatchObject({ $case: 'done' })
    }
    for (const by of ['handle', 'accountId'] as const) {
      expect(await lookUp(by)).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    }
    const take = { $case: 'takeKeyPackages', value: { accountId: idOf(dave) } } as const
    expect(await directory.answer(alice, take)).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    // The other way round: blocking back works, and so does blocking an id that is nobody's.
    expect(await block(alice, idOf(dave), true)).toMatchObject({ $case: 'done' })
    expect(await block(alice, randomUUID(), true)).toMatchObject({ $case: 'done' })
    expect(await block(alice, 'nobody', true)).toMatchObject(refusal(RefusalCode.NOT_FOUND))
    expect(await block(alice, idOf(alice), true)).toMatchObject(
      refusal(RefusalCode.INVALID_REQUEST),
    )
    expect(await block(dave, idOf(alice), false)).toMatchObject({ $case: 'done' })
    expect(await lookUp('handle')).toMatchObject({ $case: 'contact' })
  })

  test('goal: a list of blocks has its bound', async () => {
    const dave = await directory.account()
    await directory.sql(
      `insert into directory.block select $1, gen_random_uuid() from generate_series(1, 1000)`,
      [idOf(dave)],
    )
    expect(await block(dave, idOf(alice), true)).toMatchObject(refusal(RefusalCode.LIMIT_REACHED))
  })
})

test('goal: an empty request is refused', async () => {
  expect(await directory.answer(alice, undefined)).toMatchObject(
    refusal(RefusalCode.INVALID_REQUEST),
  )
})
