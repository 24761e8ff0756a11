// The directory as validation needs it, in one statement and so in one snapshot: accounts with their
// active devices, conversations with their members (and those as accounts), and who blocks whom.

import { type AccountId, type ConversationId } from '@twotick/protocol'
import type pg from 'pg'

/** An active account. */
export interface KnownAccount {
  readonly accountId: AccountId
  readonly devicesVersion: number
  readonly isDormant: boolean
  readonly deviceIds: readonly number[]
}

export interface KnownConversation {
  readonly conversationId: ConversationId
  readonly rosterVersion: number
  readonly memberIds: readonly AccountId[]
}

/** Whether `owner` has blocked `sender`. */
export interface BlockQuestion {
  readonly owner: AccountId
  readonly sender: AccountId
}

/** What a batch of sends asks about. The members of a wanted conversation come with it. */
export interface Wanted {
  readonly accountIds: ReadonlySet<AccountId>
  readonly conversationIds: ReadonlySet<ConversationId>
  readonly blocks: readonly BlockQuestion[]
}

/** What was found; `blocks` are the questions whose answer is yes. */
export interface Read {
  readonly accounts: KnownAccount[]
  readonly conversations: KnownConversation[]
  readonly blocks: BlockQuestion[]
}

const READ = `
with wanted_conversation as materialized (
  select c.conversation_id, c.roster_version,
    array(select m.account_id from directory.member m
          where m.conversation_id = c.conversation_id order by m.account_id) as member_ids
  from directory.conversation c
  where c.conversation_id = any($2::uuid[])
), wanted_account(account_id) as (
  select unnest($1::uuid[]) union select unnest(member_ids) from wanted_conversation
)
select 'account' as kind, a.account_id as id, a.devices_version as version, a.dormant,
  array(select d.device_id from directory.device d
        where d.account_id = a.account_id and d.intent = 'active' order by 1) as device_ids,
  null::uuid[] as ids
from wanted_account join directory.account a using (account_id)
where a.state = 'active'
union all
select 'conversation', conversation_id, roster_version, false, null, member_ids
from wanted_conversation
union all
select 'blocks', b.account_id, 0, false, null, array_agg(b.blocked_id)
from unnest($3::uuid[], $4::uuid[]) as asked(account_id, blocked_id)
join directory.block b using (account_id, blocked_id)
group by b.account_id`

interface Row {
  kind: 'account' | 'conversation' | 'blocks'
  id: string
  version: number
  dormant: boolean
  device_ids: number[] | null
  ids: AccountId[] | null
}

/** Reads all that is wanted in one query. */
export async function readPicture(db: pg.Pool, wanted: Wanted): Promise<Read> {
  const { rows } = await db.query<Row>({
    name: 'read-picture',
    text: READ,
    values: [
      [...wanted.accountIds],
      [...wanted.conversationIds],
      wanted.blocks.map(({ owner }) => owner),
      wanted.blocks.map(({ sender }) => sender),
    ],
  })
  const read: Read = { accounts: [], conversations: [], blocks: [] }
  for (const row of rows) addRow(read, row)
  return read
}

function addRow(read: Read, row: Row) {
  const ids = row.ids ?? []
  if (row.kind === 'account') {
    read.accounts.push({
      accountId: row.id as AccountId,
      devicesVersion: row.version,
      isDormant: row.dormant,
      deviceIds: row.device_ids ?? [],
    })
  } else if (row.kind === 'conversation') {
    const conversationId = row.id as ConversationId
    read.conversations.push({ conversationId, rosterVersion: row.version, memberIds: ids })
  } else {
    for (const sender of ids) read.blocks.push({ owner: row.id as AccountId, sender })
  }
}
