// What was appended, as messages of the bus: a mailbox's entries together, and what is the same in
// many mailboxes, a group's message, once in each message instead of once for each member.

import type { AccountId } from '@twotick/protocol'
import type {
  Appended,
  MailboxAppended,
  SealedContent,
  SharedContent,
} from '@twotick/protocol/services'
import { randomInt } from 'node:crypto'
import type { NewEntry } from './draft.ts'
import { toStoredEntry } from './stored-entry.ts'
import { hopsOfAppended } from './traces.ts'

// NATS takes 1 MiB a message by default; the rest is for what is not ciphertext.
const MAILBOX_BYTES_MAX = 512 * 1024
/**
 * What is put together into one message; less than a socket is read at once. What comes in many reads
 * is put together in a buffer that doubles, and those buffers, not objects, were what the garbage
 * collector ran for.
 */
export const MESSAGE_BYTES = 48 * 1024
/** What one message has pushed, with what is shared in each of its mailboxes: to one device of each. */
const PUSHED_BYTES = 2 * 1024 * 1024
const RING_BYTES = 64
const COPY_BYTES = 16

/** What one mailbox is rung with. `ownBytes`: without the contents that it shares with others. */
interface Ring {
  readonly mailbox: MailboxAppended
  readonly contents: Shared[]
  ownBytes: number
}

interface Shared {
  readonly content: SharedContent
  readonly bytes: number
}

interface Packing {
  readonly message: Appended
  readonly contents: Set<Shared>
  ownBytes: number
  sharedBytes: number
  pushedBytes: number
}

/** Rings each mailbox once; its entries are left out where they alone are too many bytes. */
export function* appendedMessages(
  epoch: string,
  appended: readonly NewEntry[],
): Generator<Appended> {
  let packing = emptyPacking(epoch)
  for (const ring of ringsOf(appended)) {
    if (!hasRoom(packing, ring)) {
      yield packing.message
      packing = emptyPacking(epoch)
    }
    put(packing, ring)
  }
  if (packing.ownBytes > 0) yield packing.message
}

function emptyPacking(epoch: string): Packing {
  const message = { epoch, mailboxes: [], contents: [] }
  return { message, contents: new Set(), ownBytes: 0, sharedBytes: 0, pushedBytes: 0 }
}

/** What is there already takes nothing; what is new must fit, beside a first ring's, which may be large. */
function hasRoom(packing: Packing, ring: Ring): boolean {
  if (packing.ownBytes === 0) return true
  const ownBytes = packing.ownBytes + ring.ownBytes
  if (ownBytes > MESSAGE_BYTES || packing.pushedBytes + pushedBytesOf(ring) > PUSHED_BYTES) {
    return false
  }
  const newBytes = bytesOf(newContents(packing, ring))
  return newBytes === 0 || ownBytes + packing.sharedBytes + newBytes <= MESSAGE_BYTES
}

function put(packing: Packing, ring: Ring): void {
  for (const shared of newContents(packing, ring)) {
    packing.contents.add(shared)
    packing.message.contents.push(shared.content)
    packing.sharedBytes += shared.bytes
  }
  packing.message.mailboxes.push(ring.mailbox)
  packing.ownBytes += ring.ownBytes
  packing.pushedBytes += pushedBytesOf(ring)
}

function newContents({ contents }: Packing, ring: Ring): readonly Shared[] {
  return ring.contents.filter((shared) => !contents.has(shared))
}

function pushedBytesOf({ ownBytes, contents }: Ring): number {
  return ownBytes + bytesOf(contents)
}

function ringsOf(appended: readonly NewEntry[]): Ring[] {
  const shared = sharedOf(appended)
  const rings = new Map<AccountId, Ring>()
  for (const entry of appended) {
    const { accountId, seq, content } = entry
    const ring = rings.get(accountId) ?? newRing(accountId)
    rings.set(accountId, ring)
    ring.mailbox.headSeq = seq
    const one = shared.get(content)
    if (one !== undefined) {
      ring.mailbox.copies.push({ seq, key: one.content.key })
      ring.contents.push(one)
      ring.ownBytes += COPY_BYTES
    } else {
      ring.mailbox.entries.push(toStoredEntry(seq, entry.expiresAtMs, content))
      ring.ownBytes += entry.sealed.length
    }
  }
  return [...rings.values()].map((ring) => {
    const { mailbox, contents, ownBytes } = ring
    if (ownBytes + bytesOf(contents) <= MAILBOX_BYTES_MAX) {
      return { ...ring, mailbox: withTraces(mailbox) }
    }
    const rung = { ...mailbox, entries: [], copies: [] }
    return { mailbox: rung, contents: [], ownBytes: RING_BYTES }
  })
}

function newRing(accountId: AccountId): Ring {
  const mailbox = { accountId, headSeq: 0, entries: [], copies: [] }
  return { mailbox, contents: [], ownBytes: RING_BYTES }
}

/** The contents that more than one mailbox gets. Not those with a trace: each entry has its own. */
function sharedOf(appended: readonly NewEntry[]): Map<SealedContent, Shared> {
  const seen = new Set<SealedContent>()
  const shared = new Map<SealedContent, Shared>()
  for (const { content, expiresAtMs, seq, sealed } of appended) {
    if (!seen.has(content)) seen.add(content)
    else if (!shared.has(content) && content.content?.$case === 'envelope') {
      const envelope = content.content.value
      if (envelope.trace !== undefined) continue
      const { acceptedAtMs } = toStoredEntry(seq, expiresAtMs, content)
      shared.set(content, {
        content: { key: nextKey(), acceptedAtMs, envelope },
        bytes: sealed.length,
      })
    }
  }
  return shared
}

// Where two stores have the same key, delivery-fanout only puts less together.
let lastKey = randomInt(2 ** 47)
function nextKey(): number {
  lastKey += 1
  return lastKey
}

function bytesOf(contents: readonly Shared[]): number {
  return contents.reduce((sum, { bytes }) => sum + bytes, 0)
}

function withTraces(mailbox: MailboxAppended): MailboxAppended {
  const traces = hopsOfAppended(mailbox)
  return traces === undefined ? mailbox : { ...mailbox, traces }
}
