// A session's window: what was pushed to the device and is not yet acknowledged at the store. It
// bounds what a slow device costs, and it remembers whose each entry is, so that an ack can name
// them. It is kept until the store has confirmed the ack, so that a slow store is felt here too.

import type { EntryName } from '@twotick/protocol/services'

export interface WindowLimits {
  readonly entriesMax: number
  readonly bytesMax: number
}

/** One entry, or one `Missed`: that counts as an entry of no bytes. */
export interface WindowItem {
  readonly lastSeq: number
  readonly bytes: number
  readonly name: EntryName | undefined
}

export interface Window {
  readonly limits: WindowLimits
  readonly items: readonly WindowItem[]
  readonly bytes: number
}

/** Room for catching up is a quarter of the window: a fetch for each single ack would cost more. */
const ROOM_SHARE = 1 / 4

export function emptyWindow(limits: WindowLimits): Window {
  return { limits, items: [], bytes: 0 }
}

/** How many of these items, from the first, the window can take. An empty one takes any one. */
export function countFitting({ limits, items, bytes }: Window, more: readonly WindowItem[]) {
  let count = 0
  for (const item of more) {
    bytes += item.bytes
    const isFirst = items.length + count === 0
    if (!isFirst && (bytes > limits.bytesMax || items.length + count >= limits.entriesMax)) break
    count++
  }
  return count
}

export function withPushed(window: Window, pushed: readonly WindowItem[]): Window {
  if (pushed.length === 0) return window
  const bytes = pushed.reduce((sum, item) => sum + item.bytes, window.bytes)
  return { ...window, items: [...window.items, ...pushed], bytes }
}

/** Without what an ack up to `ackedSeq` covers. */
export function withoutAcked(window: Window, ackedSeq: number): Window {
  const first = window.items.findIndex((item) => item.lastSeq > ackedSeq)
  if (first === 0 || window.items.length === 0) return window
  const items = first === -1 ? [] : window.items.slice(first)
  return { ...window, items, bytes: items.reduce((sum, item) => sum + item.bytes, 0) }
}

/** What a fetch may bring. */
export function freeRoom({ limits, items, bytes }: Window) {
  return {
    entriesMax: Math.max(0, limits.entriesMax - items.length),
    bytesMax: Math.max(0, limits.bytesMax - bytes),
  }
}

/** Whether catching up goes on: enough is free to be worth a fetch. */
export function hasRoom(window: Window): boolean {
  const { limits } = window
  const { entriesMax, bytesMax } = freeRoom(window)
  if (window.items.length === 0) return true
  return entriesMax >= limits.entriesMax * ROOM_SHARE && bytesMax >= limits.bytesMax * ROOM_SHARE
}

/** The names of the entries up to `seq`. */
export function namesUpTo({ items }: Window, seq: number): EntryName[] {
  const names: EntryName[] = []
  for (const { lastSeq, name } of items) {
    if (lastSeq > seq) break
    if (name !== undefined) names.push(name)
  }
  return names
}

export function hasEntry({ items }: Window, seq: number): boolean {
  return items.some((item) => item.name?.seq === seq)
}
