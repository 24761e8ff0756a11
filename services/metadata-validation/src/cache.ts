// What validation knows of the directory, read through a bounded cache.
//
// Kept honest in three ways: `directory.changed` makes it forget, a short lifetime bounds what a lost
// event can do, and its user refuses nothing by it: what would be refused is read anew first
// (validate.ts). So a device that was linked a moment ago is accepted by every replica at once, and
// an unlink or a block takes effect within the lifetime even without NATS.

import { type AccountId, type ConversationId } from '@twotick/protocol'
import { LRUCache } from 'lru-cache'
import type pg from 'pg'
import {
  type BlockQuestion,
  type KnownAccount,
  type KnownConversation,
  readPicture,
  type Wanted,
} from './picture.ts'
import { type Changed } from './transaction.ts'

/** The answers. What does not exist, or is not active, is undefined. */
export interface Picture {
  /** Nothing of it came out of the cache. */
  readonly isFresh: boolean
  account(accountId: AccountId): KnownAccount | undefined
  conversation(conversationId: ConversationId): KnownConversation | undefined
  hasBlocked(question: BlockQuestion): boolean
}

export interface DirectoryCache {
  /** Reads what is wanted: in one query what the cache lacks, or all of it with `isFresh`. */
  read(wanted: Wanted, isFresh?: boolean): Promise<Picture>
  /** Forgets what has changed. */
  forget(changed: Changed): void
  /** Forgets everything: events may have been lost. */
  clear(): void
}

const ACCOUNTS_MAX = 100_000
const MEMBERSHIPS_MAX = 1_000_000
const BLOCK_ANSWERS_MAX = 500_000

/** A read under way: what is forgotten meanwhile must not be remembered from it. */
interface Reading {
  readonly forgottenIds: Set<string>
  isAllForgotten: boolean
}

/** A cache whose entries live `lifetimeMs`. */
export function createDirectoryCache(db: pg.Pool, lifetimeMs: number): DirectoryCache {
  const known = createTables(lifetimeMs)
  const readings = new Set<Reading>()

  return {
    async read(wanted, isFresh = false) {
      const found = isFresh ? nothingFound() : findKnown(known, wanted)
      const isAllAnew = found.accounts.size + found.conversations.size + found.blocks.size === 0
      const missing = isAllAnew ? wanted : lacking(wanted, found)
      if (sizeOf(missing) > 0) {
        const reading = { forgottenIds: new Set<string>(), isAllForgotten: false }
        readings.add(reading)
        try {
          fill(found, missing, await readPicture(db, missing))
        } finally {
          readings.delete(reading)
        }
        if (!reading.isAllForgotten) remember(known, found, reading.forgottenIds)
      }
      return pictureOf(found, isAllAnew)
    },
    forget({ accountIds, conversationIds }) {
      for (const reading of readings) {
        for (const id of [...accountIds, ...conversationIds]) reading.forgottenIds.add(id)
      }
      for (const accountId of accountIds) {
        known.accounts.delete(accountId)
        known.blocks.delete(accountId)
      }
      for (const conversationId of conversationIds) known.conversations.delete(conversationId)
    },
    clear() {
      for (const reading of readings) reading.isAllForgotten = true
      for (const table of Object.values(known)) table.clear()
    },
  }
}

function createTables(ttl: number) {
  return {
    accounts: new LRUCache<AccountId, KnownAccount>({ max: ACCOUNTS_MAX, ttl }),
    conversations: new LRUCache<ConversationId, KnownConversation>({
      maxSize: MEMBERSHIPS_MAX,
      sizeCalculation: ({ memberIds }) => memberIds.length + 1,
      ttl,
    }),
    // By owner, so that one event forgets all that it answered. The first answer starts the lifetime.
    blocks: new LRUCache<AccountId, ReadonlyMap<AccountId, boolean>>({
      maxSize: BLOCK_ANSWERS_MAX,
      sizeCalculation: (answers) => answers.size + 1,
      ttl,
      noUpdateTTL: true,
    }),
  }
}

type Tables = ReturnType<typeof createTables>

/** What one read has found so far; `readAnew`: by the query, not in the cache. */
interface Found {
  readonly accounts: Map<AccountId, KnownAccount>
  readonly conversations: Map<ConversationId, KnownConversation>
  readonly blocks: Map<AccountId, Map<AccountId, boolean>>
  readonly readAnew: { accounts: KnownAccount[]; conversations: KnownConversation[] }
}

function nothingFound(): Found {
  return {
    accounts: new Map(),
    conversations: new Map(),
    blocks: new Map(),
    readAnew: { accounts: [], conversations: [] },
  }
}

function findKnown(known: Tables, wanted: Wanted): Found {
  const found = nothingFound()
  const findAccount = (accountId: AccountId) => {
    const account = known.accounts.get(accountId)
    if (account !== undefined) found.accounts.set(accountId, account)
  }
  for (const accountId of wanted.accountIds) findAccount(accountId)
  for (const conversationId of wanted.conversationIds) {
    const conversation = known.conversations.get(conversationId)
    if (conversation === undefined) continue
    found.conversations.set(conversationId, conversation)
    for (const accountId of conversation.memberIds) findAccount(accountId)
  }
  for (const { owner, sender } of wanted.blocks) {
    const answer = known.blocks.get(owner)?.get(sender)
    if (answer !== undefined) answerBlock(found, { owner, sender }, answer)
  }
  return found
}

function lacking(wanted: Wanted, found: Found): Wanted {
  const accountIds = new Set<AccountId>()
  for (const accountId of wanted.accountIds) {
    if (!found.accounts.has(accountId)) accountIds.add(accountId)
  }
  for (const { memberIds } of found.conversations.values()) {
    for (const accountId of memberIds) {
      if (!found.accounts.has(accountId)) accountIds.add(accountId)
    }
  }
  return {
    accountIds,
    conversationIds: wanted.conversationIds.difference(found.conversations),
    blocks: wanted.blocks.filter(({ owner, sender }) => !found.blocks.get(owner)?.has(sender)),
  }
}

function sizeOf({ accountIds, conversationIds, blocks }: Wanted): number {
  return accountIds.size + conversationIds.size + blocks.length
}

function fill(found: Found, missing: Wanted, read: Awaited<ReturnType<typeof readPicture>>) {
  for (const account of read.accounts) {
    found.accounts.set(account.accountId, account)
    found.readAnew.accounts.push(account)
  }
  for (const conversation of read.conversations) {
    found.conversations.set(conversation.conversationId, conversation)
    found.readAnew.conversations.push(conversation)
  }
  for (const question of missing.blocks) answerBlock(found, question, false)
  for (const question of read.blocks) answerBlock(found, question, true)
}

function answerBlock(found: Found, { owner, sender }: BlockQuestion, answer: boolean) {
  const answers = found.blocks.get(owner) ?? new Map<AccountId, boolean>()
  found.blocks.set(owner, answers.set(sender, answer))
}

function remember(known: Tables, found: Found, forgottenIds: ReadonlySet<string>) {
  for (const account of found.readAnew.accounts) {
    if (!forgottenIds.has(account.accountId)) known.accounts.set(account.accountId, account)
  }
  for (const conversation of found.readAnew.conversations) {
    if (forgottenIds.has(conversation.conversationId)) continue
    known.conversations.set(conversation.conversationId, conversation)
  }
  for (const [owner, answers] of found.blocks) {
    if (forgottenIds.has(owner)) continue
    known.blocks.set(owner, new Map([...(known.blocks.get(owner) ?? []), ...answers]))
  }
}

function pictureOf(found: Found, isFresh: boolean): Picture {
  return {
    isFresh,
    account: (accountId) => found.accounts.get(accountId),
    conversation: (conversationId) => found.conversations.get(conversationId),
    hasBlocked: ({ owner, sender }) => found.blocks.get(owner)?.get(sender) ?? false,
  }
}
