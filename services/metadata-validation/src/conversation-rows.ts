// Rows of conversations and members as the commands of conversations.ts read, lock and change them.

import {
  type AccountId,
  type ConversationId,
  type Device,
  type DeviceAddress,
  type Member,
} from '@twotick/protocol'
import { type Answer } from './answer.ts'
import { deviceOf, readDevices } from './rows.ts'
import { type Reader, type Transaction } from './transaction.ts'

export interface ConversationRow {
  conversation_id: ConversationId
  made_by: AccountId
  roster_version: number
}

/** Locks a conversation for a change of its members; undefined: there is none. */
export async function lockConversation(
  transaction: Transaction,
  conversationId: ConversationId,
): Promise<ConversationRow | undefined> {
  const [row] = await transaction.query<ConversationRow>({
    name: 'lock-conversation',
    text: `select conversation_id, made_by, roster_version
      from directory.conversation where conversation_id = $1::uuid for update`,
    values: [conversationId],
  })
  return row
}

export async function readMemberIds(
  reader: Reader,
  conversationId: ConversationId,
): Promise<Set<AccountId>> {
  const rows = await reader.query<{ account_id: AccountId }>({
    name: 'read-member-ids',
    text: 'select account_id from directory.member where conversation_id = $1::uuid',
    values: [conversationId],
  })
  return new Set(rows.map(({ account_id }) => account_id))
}

export async function insertMembers(
  transaction: Transaction,
  conversationId: ConversationId,
  accountIds: readonly AccountId[],
) {
  await transaction.query({
    name: 'insert-members',
    text: `insert into directory.member (conversation_id, account_id)
      select $1::uuid, unnest($2::uuid[]) on conflict do nothing`,
    values: [conversationId, accountIds],
  })
}

/** Takes members out of a locked conversation; without any left it is gone. */
export async function deleteMembers(
  transaction: Transaction,
  conversationId: ConversationId,
  accountIds: readonly AccountId[],
) {
  await transaction.query({
    name: 'delete-members',
    text: `delete from directory.member
      where conversation_id = $1::uuid and account_id = any($2::uuid[])`,
    values: [conversationId, accountIds],
  })
  await transaction.query({
    name: 'delete-empty-conversation',
    text: `delete from directory.conversation c where conversation_id = $1::uuid
      and not exists (select from directory.member m where m.conversation_id = c.conversation_id)`,
    values: [conversationId],
  })
}

/** The members of a locked conversation have changed. */
export async function bumpRoster(transaction: Transaction, conversationId: ConversationId) {
  await transaction.query({
    name: 'bump-roster-version',
    text: `update directory.conversation set roster_version = roster_version + 1
      where conversation_id = $1::uuid`,
    values: [conversationId],
  })
  transaction.changedConversation(conversationId)
}

interface MemberRow {
  account_id: AccountId
  handle: string
  dormant: boolean
  roster_version: number
}

/**
 * The conversation with its whole roster, as `asker` sees it; members are empty where it is gone. In
 * a snapshot, or under the conversation's lock (no member's devices change without it).
 */
export async function readConversation(
  reader: Reader,
  conversationId: ConversationId,
  asker: DeviceAddress,
): Promise<Answer> {
  const rows = await reader.query<MemberRow>({
    name: 'read-conversation',
    text: `select m.account_id, a.handle, a.dormant, c.roster_version
      from directory.conversation c
      join directory.member m using (conversation_id)
      join directory.account a using (account_id)
      where c.conversation_id = $1::uuid and a.state = 'active' order by m.account_id`,
    values: [conversationId],
  })
  const devices = new Map<AccountId, Device[]>()
  for (const row of await readDevices(
    reader,
    rows.map(({ account_id }) => account_id),
  )) {
    if (row.intent !== 'active') continue
    const device = deviceOf(row, row.account_id === asker.accountId)
    devices.set(row.account_id, [...(devices.get(row.account_id) ?? []), device])
  }
  const members: Member[] = rows.map(({ account_id: accountId, handle, dormant }) => ({
    accountId,
    handle,
    devices: devices.get(accountId) ?? [],
    dormant,
  }))
  const rosterVersion = rows[0]?.roster_version ?? 0
  return { body: { $case: 'conversation', value: { conversationId, rosterVersion, members } } }
}
