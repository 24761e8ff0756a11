// Conversations: groups of accounts, and who may change them.
//
// A change of members first holds the accounts that it adds, so that none is deleted and none's
// devices change meanwhile, and then locks the conversation.

import { randomUUID } from 'node:crypto'
import {
  type AccountId,
  type ChangeMembers,
  type ConversationId,
  type CreateConversation,
  type DeviceAddress,
  type GetConversation,
  isConversationId,
  RefusalCode,
} from '@twotick/protocol'
import { type Answer, refused } from './answer.ts'
import { readAsker } from './asker.ts'
import {
  bumpRoster,
  type ConversationRow,
  deleteMembers,
  insertMembers,
  lockConversation,
  readConversation,
  readMemberIds,
} from './conversation-rows.ts'
import { holdWilling } from './hold.ts'
import { type Reader, type Snapshot, type Transact, type Transaction } from './transaction.ts'

const REQUEST_KEY_BYTES = 16
const MEMBERS_MAX = 1_000
// Of one account. A change of its devices bumps them all in one transaction.
const CONVERSATIONS_MAX = 1_000

/**
 * Makes a group of the asker and others; repeated with the same key it answers the one it made.
 * Refused: INVALID_REQUEST, NOT_FOUND, LIMIT_REACHED.
 */
export async function createConversation(
  transact: Transact,
  asker: DeviceAddress,
  { requestKey, accountIds }: CreateConversation,
): Promise<Answer> {
  if (requestKey.length !== REQUEST_KEY_BYTES) {
    return refused(RefusalCode.INVALID_REQUEST, 'request_key')
  }
  const others = new Set(accountIds).difference(new Set([asker.accountId]))
  if (others.size >= MEMBERS_MAX) return refused(RefusalCode.LIMIT_REACHED, 'members')
  return transact(async (transaction) => {
    const held = await holdWilling(transaction, asker, others)
    if (held.at === 'asker-unlinked') return refused(RefusalCode.UNLINKED)
    const made = await findMade(transaction, asker.accountId, requestKey)
    if (made !== undefined) return readAsMember(transaction, made, asker)
    if (held.at === 'unwilling') return refused(RefusalCode.NOT_FOUND)
    const memberIds = [asker.accountId, ...held.others]
    if (await isAnyInTooMany(transaction, memberIds)) {
      return refused(RefusalCode.LIMIT_REACHED, 'conversations')
    }
    const conversationId = await insertConversation(transaction, asker.accountId, requestKey)
    if (conversationId === undefined) {
      // A repetition of this request was faster.
      const faster = await findMade(transaction, asker.accountId, requestKey)
      if (faster === undefined) return refused(RefusalCode.NOT_FOUND)
      return readAsMember(transaction, faster, asker)
    }
    await insertMembers(transaction, conversationId, memberIds)
    transaction.changedConversation(conversationId)
    return readConversation(transaction, conversationId, asker)
  })
}

async function findMade(
  reader: Reader,
  madeBy: AccountId,
  requestKey: Uint8Array,
): Promise<ConversationId | undefined> {
  const [row] = await reader.query<ConversationRow>({
    name: 'find-made',
    text: `select conversation_id from directory.conversation
      where made_by = $1::uuid and request_key = $2::bytea`,
    values: [madeBy, requestKey],
  })
  return row?.conversation_id
}

async function insertConversation(
  transaction: Transaction,
  madeBy: AccountId,
  requestKey: Uint8Array,
): Promise<ConversationId | undefined> {
  const [row] = await transaction.query<ConversationRow>({
    name: 'insert-conversation',
    text: `insert into directory.conversation (conversation_id, made_by, request_key)
      values ($1::uuid, $2::uuid, $3::bytea)
      on conflict (made_by, request_key) do nothing returning conversation_id`,
    values: [randomUUID(), madeBy, requestKey],
  })
  return row?.conversation_id
}

/** Counted without a lock: two additions at the same moment may go beyond the bound by one. */
async function isAnyInTooMany(reader: Reader, accountIds: readonly AccountId[]): Promise<boolean> {
  const rows = await reader.query({
    name: 'find-in-too-many',
    text: `select account_id from directory.member where account_id = any($1::uuid[])
      group by account_id having count(*) >= $2::int limit 1`,
    values: [accountIds, CONVERSATIONS_MAX],
  })
  return rows.length > 0
}

/**
 * Adds and removes members. Refused: NOT_FOUND (no such conversation, or the asker is no member; an
 * account to add is none, or has blocked the asker), INVALID_REQUEST (only the one who made it
 * removes others), LIMIT_REACHED.
 */
export async function changeMembers(
  transact: Transact,
  asker: DeviceAddress,
  request: ChangeMembers,
): Promise<Answer> {
  const { conversationId } = request
  if (!isConversationId(conversationId)) return refused(RefusalCode.NOT_FOUND)
  const adding = new Set(request.addAccountIds)
  const removing = new Set<string>(request.removeAccountIds)
  if (adding.size > MEMBERS_MAX) return refused(RefusalCode.LIMIT_REACHED, 'members')
  if (removing.size > MEMBERS_MAX || !adding.isDisjointFrom(removing)) {
    return refused(RefusalCode.INVALID_REQUEST, 'remove_account_ids')
  }
  return transact(async (transaction) => {
    const held = await holdWilling(transaction, asker, adding)
    if (held.at === 'asker-unlinked') return refused(RefusalCode.UNLINKED)
    const conversation = await lockConversation(transaction, conversationId)
    const members = await readMemberIds(transaction, conversationId)
    if (conversation === undefined || !members.has(asker.accountId)) {
      return refused(RefusalCode.NOT_FOUND)
    }
    if (held.at === 'unwilling') return refused(RefusalCode.NOT_FOUND)
    const gone = [...members].filter((accountId) => removing.has(accountId))
    const isOnlySelf = gone.every((accountId) => accountId === asker.accountId)
    if (!isOnlySelf && conversation.made_by !== asker.accountId) {
      return refused(RefusalCode.INVALID_REQUEST, 'only who made the conversation removes others')
    }
    const added = held.others.filter((accountId) => !members.has(accountId))
    if (members.size - gone.length + added.length > MEMBERS_MAX) {
      return refused(RefusalCode.LIMIT_REACHED, 'members')
    }
    if (await isAnyInTooMany(transaction, added)) {
      return refused(RefusalCode.LIMIT_REACHED, 'conversations')
    }
    if (added.length + gone.length > 0) {
      await insertMembers(transaction, conversationId, added)
      await bumpRoster(transaction, conversationId)
      await deleteMembers(transaction, conversationId, gone)
    }
    return readConversation(transaction, conversationId, asker)
  })
}

/** A conversation with its roster, for its members. Refused: NOT_FOUND. */
export async function getConversation(
  snapshot: Snapshot,
  asker: DeviceAddress,
  { conversationId }: GetConversation,
): Promise<Answer> {
  if (!isConversationId(conversationId)) return refused(RefusalCode.NOT_FOUND)
  return snapshot(async (reader) => {
    if ((await readAsker(reader, asker)) === undefined) return refused(RefusalCode.UNLINKED)
    return readAsMember(reader, conversationId, asker)
  })
}

async function readAsMember(
  reader: Reader,
  conversationId: ConversationId,
  asker: DeviceAddress,
): Promise<Answer> {
  const members = await readMemberIds(reader, conversationId)
  if (!members.has(asker.accountId)) return refused(RefusalCode.NOT_FOUND)
  return readConversation(reader, conversationId, asker)
}

/** The conversations that the asker's account is in. */
export async function listConversations(snapshot: Snapshot, asker: DeviceAddress): Promise<Answer> {
  return snapshot(async (reader) => {
    if ((await readAsker(reader, asker)) === undefined) return refused(RefusalCode.UNLINKED)
    const rows = await reader.query<ConversationRow>({
      name: 'list-conversations',
      text: `select conversation_id from directory.member
        where account_id = $1::uuid order by conversation_id`,
      values: [asker.accountId],
    })
    const conversationIds = rows.map(({ conversation_id }) => conversation_id)
    return { body: { $case: 'conversationList', value: { conversationIds } } }
  })
}
