// Forgetting, once an hour: names of messages applied 60 days ago, sends that were done a day ago.

import { prune, type Book } from './book.ts'
import type { Storage } from './storage.ts'
import type { Step } from './turn.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const APPLIED_KEPT_MS = 60 * DAY_MS
const DONE_KEPT_MS = DAY_MS
const DONE_KEPT_MAX = 512
const PAGE_ROWS = 500

interface SweepOptions {
  readonly storage: Storage
  readonly book: Book
  readonly enter: (step: Step) => Promise<void>
  readonly now: () => number
}

/** Sweeps now and every hour, until the returned function is called. */
export function sweepHourly(options: SweepOptions): () => void {
  const run = () =>
    sweep(options).catch(() => {
      // The storage failed or the device has stopped; whoever commits next says so.
      clearInterval(timer)
    })
  const timer = setInterval(run, HOUR_MS)
  void run()
  return () => clearInterval(timer)
}

export async function sweep({ storage, book, enter, now }: SweepOptions): Promise<void> {
  await enter((turn) => {
    const before = { doneMs: now() - DONE_KEPT_MS, keepMax: DONE_KEPT_MAX }
    prune({ book, turn, happenings: [] }, before)
  })
  const appliedBeforeMs = now() - APPLIED_KEPT_MS
  let page = await storage.list('applied', '', PAGE_ROWS)
  while (page.length > 0) {
    const old = page.filter(({ value }) => value < appliedBeforeMs)
    await enter((turn) => {
      for (const { key } of old) turn.put('applied', key, undefined)
    })
    page = await storage.list('applied', page.at(-1)?.key ?? '', PAGE_ROWS)
  }
}
