// Judges sends: who may send what to whom, now. Resolves the recipients of what is accepted.
//
// Checks in this order, the first that fails is the answer: the sender's device, its client version,
// the envelope's shape, whether it may write there, rates, size times recipients, the roster.
// The cache refuses nothing: a refusal that rests on the directory is decided once more on what is
// read anew (within a rate for each account: a roster of a thousand members costs milliseconds, and
// who sends what is refused all the time gets the cache's answer). So a device that was linked a
// moment ago is accepted by every replica at once, and what is accepted wrongly, after an unlink or a
// block, ends with the cache's lifetime. Rates are drawn on by what is accepted, and nothing else.

import {
  type AccountId,
  type Address,
  type ConversationId,
  type DeviceAddress,
  isAccountId,
  isConversationId,
  parseAddress,
  type Refusal,
  RefusalCode,
  type RosterDifference,
} from '@twotick/protocol'
import { type SendAccepted, type SendMetadata, type SendVerdict } from '@twotick/protocol/services'
import { LRUCache } from 'lru-cache'
import { createMeter } from './buckets.ts'
import { type DirectoryCache, type Picture } from './cache.ts'
import { type BlockQuestion, type KnownAccount, type Wanted } from './picture.ts'
import { judgeShape, SPREAD_BYTES_MAX, type VersionVerdict } from './policy.ts'
import { type Load, type RateLimiter } from './rates.ts'
import { refuse } from './refuse.ts'
import { compareRoster, directRosterVersion } from './roster.ts'

/** What sends are judged by. */
export interface Judges {
  readonly judgeVersion: (text: string) => VersionVerdict
  readonly rates: RateLimiter
  readonly onPendingVersion: () => void
  /** A device has sent something that was accepted: it is there. */
  readonly onAccepted: (sender: DeviceAddress) => void
}

/** Judges a batch; the verdicts in the sends' order. Throws only if the directory cannot be read. */
export type Validate = (sends: readonly SendMetadata[]) => Promise<SendVerdict[]>

/** Validation on a cache of the directory. */
export function createValidate(cache: DirectoryCache, judges: Judges): Validate {
  const mayReread = createRereads()
  return async (sends) => {
    const picture = await cache.read(wantedBy(sends))
    const verdicts = sends.map((send) => judge(send, picture, judges))
    if (picture.isFresh) return verdicts
    const doubtful = new Set(
      sends.filter((send, at) => restsOnDirectory(verdicts[at]) && mayReread(send.sender)),
    )
    if (doubtful.size === 0) return verdicts
    const fresh = await cache.read(wantedBy([...doubtful]), true)
    return verdicts.map((verdict, at) => {
      const send = sends[at]
      return send !== undefined && doubtful.has(send) ? judge(send, fresh, judges) : verdict
    })
  }
}

/** Whether an account's refusals may be checked once more; each yes counts. */
function createRereads(): (sender: Address | undefined) => boolean {
  const meter = createMeter([{ burst: 20, perSecond: 5 }])
  const accounts = new LRUCache<string, number[]>({ max: 10_000 })
  return (sender) => {
    const accountId = sender?.accountId ?? ''
    const nowMs = performance.now()
    if (meter.waitMs(accounts.get(accountId), [1], nowMs) > 0) return false
    accounts.set(accountId, meter.take(accounts.get(accountId), [1], nowMs))
    return true
  }
}

const RETRY_AFTER_MAX_MS = 86_400_000

const DIRECTORY_CODES: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  RefusalCode.UNLINKED,
  RefusalCode.UNKNOWN_RECIPIENT,
  RefusalCode.NOT_A_MEMBER,
  RefusalCode.ROSTER_STALE,
])

function restsOnDirectory(verdict: SendVerdict | undefined): boolean {
  if (verdict?.outcome?.$case !== 'refusal') return false
  return DIRECTORY_CODES.has(verdict.outcome.value.code)
}

/** What must be known to judge these sends. Ids that are none are not asked for. */
function wantedBy(sends: readonly SendMetadata[]): Wanted {
  const accountIds = new Set<AccountId>()
  const conversationIds = new Set<ConversationId>()
  const blocks: BlockQuestion[] = []
  for (const { sender: address, to } of sends) {
    const sender = parseAddress(address)?.accountId
    if (sender === undefined || to?.to === undefined) continue
    accountIds.add(sender)
    const { $case, value } = to.to
    if ($case === 'conversationId') {
      if (isConversationId(value)) conversationIds.add(value)
    } else if (isAccountId(value) && value !== sender) {
      accountIds.add(value)
      // One that is asked twice is answered alike: only those in a row are left out.
      const last = blocks.at(-1)
      if (last?.owner !== value || last.sender !== sender) blocks.push({ owner: value, sender })
    }
  }
  return { accountIds, conversationIds, blocks }
}

type Outcome =
  | { readonly accepted: SendAccepted; readonly refusal?: never }
  | { readonly refusal: Refusal; readonly roster?: RosterDifference }

function judge(send: SendMetadata, picture: Picture, judges: Judges): SendVerdict {
  const outcome = judgeSend(send, picture, judges)
  if (outcome.refusal === undefined) {
    const { accepted } = outcome
    return { id: send.id, outcome: { $case: 'accepted', value: accepted }, roster: undefined }
  }
  const { refusal, roster } = outcome
  return { id: send.id, outcome: { $case: 'refusal', value: refusal }, roster }
}

function judgeSend(send: SendMetadata, picture: Picture, judges: Judges): Outcome {
  const address = parseAddress(send.sender)
  const sender = address && picture.account(address.accountId)
  if (address === undefined || !sender?.deviceIds.includes(address.deviceId)) {
    return { refusal: refuse(RefusalCode.UNLINKED) }
  }
  const version = judges.judgeVersion(send.clientVersion)
  if (version.refusal !== undefined) return { refusal: version.refusal }

  const shape = judgeShape(send)
  if (shape.refusal !== undefined) return { refusal: shape.refusal }

  const audience = resolve(send, sender, picture)
  if (audience.refusal !== undefined) return { refusal: audience.refusal }

  const load = loadOf(send, sender, audience)
  const waitMs = judges.rates.waitMs(load)
  if (waitMs > 0) {
    const retryAfterMs = Math.min(waitMs, RETRY_AFTER_MAX_MS)
    return { refusal: refuse(RefusalCode.RATE_LIMITED, '', retryAfterMs) }
  }
  if (send.bytes * load.recipients.length > SPREAD_BYTES_MAX) {
    const detail = `size times recipients is more than ${SPREAD_BYTES_MAX} B`
    return { refusal: refuse(RefusalCode.TOO_LARGE, detail) }
  }
  if (!send.isSignal) {
    const roster = compareRoster(send, address, audience)
    if (roster !== undefined) return { refusal: refuse(RefusalCode.ROSTER_STALE), roster }
  }
  judges.rates.take(load)
  judges.onAccepted(address)
  if (version.isPendingRefusal) judges.onPendingVersion()
  return { accepted: { recipientAccountIds: [...load.recipients], lifetimeS: shape.lifetimeS } }
}

function loadOf(send: SendMetadata, sender: KnownAccount, audience: Audience): Load {
  return {
    sender: sender.accountId,
    recipients: audience.recipients.map(({ accountId }) => accountId),
    isGroup: audience.isGroup,
    bytes: send.bytes,
  }
}

/** Whom a send is for. */
export interface Audience {
  /** Without the sender's own account, and in a group without who is dormant. */
  readonly recipients: readonly KnownAccount[]
  readonly sender: KnownAccount
  readonly isGroup: boolean
  readonly rosterVersion: number
  readonly refusal?: never
}

/**
 * Finds the recipients. Refused: UNKNOWN_RECIPIENT (no such account, deleted, or it has blocked the
 * sender: all alike), NOT_A_MEMBER (or there is no such conversation).
 */
function resolve(
  { to }: SendMetadata,
  sender: KnownAccount,
  picture: Picture,
): Audience | { readonly refusal: Refusal } {
  if (to?.to?.$case === 'conversationId') {
    const conversation = isConversationId(to.to.value) && picture.conversation(to.to.value)
    if (!conversation || !conversation.memberIds.includes(sender.accountId)) {
      return { refusal: refuse(RefusalCode.NOT_A_MEMBER) }
    }
    const recipients = conversation.memberIds
      .filter((accountId) => accountId !== sender.accountId)
      .flatMap((accountId) => picture.account(accountId) ?? [])
      .filter((account) => !account.isDormant)
    return { recipients, sender, isGroup: true, rosterVersion: conversation.rosterVersion }
  }
  const id = to?.to?.value ?? ''
  const recipient = isAccountId(id) ? picture.account(id) : undefined
  if (recipient === undefined) return { refusal: refuse(RefusalCode.UNKNOWN_RECIPIENT) }
  const question = { owner: recipient.accountId, sender: sender.accountId }
  if (picture.hasBlocked(question)) return { refusal: refuse(RefusalCode.UNKNOWN_RECIPIENT) }
  return {
    recipients: recipient.accountId === sender.accountId ? [] : [recipient],
    sender,
    isGroup: false,
    rosterVersion: directRosterVersion(recipient.devicesVersion, sender.devicesVersion),
  }
}
