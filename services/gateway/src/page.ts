// What a session can push: entries, and the holes between them. A seq above the cursor that has no
// row in the store's snapshot has left the mailbox before this device had it: it was missed.

import type { Entry } from '@twotick/protocol'
import type { EntryName } from '@twotick/protocol/services'
import type { WindowItem } from './window.ts'

/** An entry as this device sees it. */
export interface SeenEntry {
  readonly seq: number
  readonly bytes: number
  readonly entry: Entry
  /** Whose it is; undefined for a notice. */
  readonly name: EntryName | undefined
}

/** One answer of `Fetch`. */
export interface FetchedPage {
  readonly entries: readonly SeenEntry[]
  readonly headSeq: number
  readonly ackedSeq: number
  readonly isComplete: boolean
}

/** What can be pushed: an entry, or a hole in the mailbox. */
export type Pushed = WindowItem & { readonly firstSeq: number; readonly entry: Entry | undefined }

export function asPushed({ seq, bytes, entry, name }: SeenEntry): Pushed {
  return { firstSeq: seq, lastSeq: seq, bytes, entry, name }
}

function hole(firstSeq: number, lastSeq: number): Pushed {
  return { firstSeq, lastSeq, bytes: 0, entry: undefined, name: undefined }
}

/** The page's entries above `afterSeq`, and every hole between, before and behind them. */
export function withMissed(
  afterSeq: number,
  { entries, headSeq, isComplete }: FetchedPage,
): Pushed[] {
  const items: Pushed[] = []
  let lastSeq = afterSeq
  for (const entry of entries) {
    if (entry.seq <= lastSeq) continue
    if (entry.seq > lastSeq + 1) items.push(hole(lastSeq + 1, entry.seq - 1))
    items.push(asPushed(entry))
    lastSeq = entry.seq
  }
  if (isComplete && headSeq > lastSeq) items.push(hole(lastSeq + 1, headSeq))
  return items
}
