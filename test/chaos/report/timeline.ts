// A run second by second: how much was sent, ticked and delivered, how long that took, how much was
// behind.

import { accountFor } from '../../ledger/device-account.ts'
import type { Histories } from '../../ledger/history.ts'
import { messagesOf } from '../../ledger/message-account.ts'

export interface Second {
  readonly attempted: number
  /** First ticks, and second ones. */
  readonly ticked: number
  readonly delivered: number
  /** Of the first ticks of this second; undefined: there was none. */
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  /** Sent and without a first tick, at the end of this second. */
  readonly backlog: number
  /** Sessions that were opened, and those that a gateway that drains sent away. */
  readonly opened: number
  readonly sentAway: number
}

export interface Bar {
  readonly name: string
  readonly fromS: number
  readonly toS: number
}

export interface Timeline {
  readonly seconds: readonly Second[]
  readonly phases: readonly Bar[]
  readonly faults: readonly Bar[]
  /** What devices had to connect again for while faults were injected. */
  readonly reconnects: Reconnects
  /** How connections ended, and how many so: the most frequent first. */
  readonly ends: readonly (readonly [by: string, count: number])[]
}

export interface Reconnects {
  readonly opened: number
  /** In one second. */
  readonly openedPeak: number
  readonly sentAway: number
  readonly sentAwayPeak: number
}

interface Tally {
  attempted: number
  delivered: number
  opened: number
  sentAway: number
  readonly waits: number[]
}

export function timelineOf({ run, devices }: Histories): Timeline {
  const began = run[0]?.t ?? 0
  const ended = run.at(-1)?.t ?? began
  const second = (t: number) => Math.max(0, Math.floor((t - began) / 1_000))
  const tallies = Array.from({ length: second(ended) + 1 }, (): Tally => {
    return { attempted: 0, delivered: 0, opened: 0, sentAway: 0, waits: [] }
  })
  const at = (t: number) => tallies[Math.min(second(t), tallies.length - 1)]
  const accounts = devices.flatMap((history) => accountFor(history) ?? [])
  for (const { sentAt, storedAt, delivered } of messagesOf(accounts).values()) {
    count(at(sentAt), 'attempted')
    if (storedAt !== undefined) at(storedAt)?.waits.push(storedAt - sentAt)
    for (const t of delivered.values()) count(at(t), 'delivered')
  }
  for (const event of devices.flat()) {
    if (event.at === 'welcome') count(at(event.t), 'opened')
    else if (event.at === 'ended' && event.by === 'GOING_AWAY') count(at(event.t), 'sentAway')
  }
  const inSeconds = (t: number) => (t - began) / 1_000
  const seconds = secondsOf(tallies)
  const bars = barsOf(run, inSeconds)
  const faulty = bars.phases.find(({ name }) => name === 'faults')
  const reconnects = reconnectsOf(seconds.slice(faulty?.fromS ?? 0, faulty?.toS))
  return { seconds, ...bars, reconnects, ends: endsOf(devices) }
}

function reconnectsOf(seconds: readonly Second[]): Reconnects {
  const [opened, sentAway] = [
    seconds.map((each) => each.opened),
    seconds.map((each) => each.sentAway),
  ]
  const sum = (counts: readonly number[]) => counts.reduce((total, each) => total + each, 0)
  return {
    opened: sum(opened),
    openedPeak: Math.max(0, ...opened),
    sentAway: sum(sentAway),
    sentAwayPeak: Math.max(0, ...sentAway),
  }
}

function endsOf(devices: Histories['devices']): [string, number][] {
  const ends = new Map<string, number>()
  for (const event of devices.flat()) {
    if (event.at === 'ended') ends.set(event.by, (ends.get(event.by) ?? 0) + 1)
  }
  return [...ends].sort(([, a], [, b]) => b - a)
}

function count(tally: Tally | undefined, what: Exclude<keyof Tally, 'waits'>): void {
  if (tally !== undefined) tally[what]++
}

function secondsOf(tallies: readonly Tally[]): Second[] {
  let backlog = 0
  return tallies.map(({ waits, ...counts }) => {
    backlog += counts.attempted - waits.length
    waits.sort((a, b) => a - b)
    const quantile = (q: number) => waits[Math.min(waits.length - 1, Math.floor(waits.length * q))]
    const latencies = { p50Ms: quantile(0.5), p99Ms: quantile(0.99) }
    return { ...counts, ticked: waits.length, ...latencies, backlog }
  })
}

function barsOf(run: Histories['run'], inSeconds: (t: number) => number) {
  const phases = run.flatMap((event) => (event.at === 'phase' ? [event] : []))
  const healed = new Map(run.flatMap((e) => (e.at === 'healed' ? [[e.number, e.t] as const] : [])))
  return {
    phases: phases.slice(0, -1).map(({ phase, t }, index): Bar => {
      return { name: phase, fromS: inSeconds(t), toS: inSeconds(phases[index + 1]?.t ?? t) }
    }),
    faults: run.flatMap((event): Bar[] => {
      if (event.at !== 'fault') return []
      const { number, name, t } = event
      return [{ name, fromS: inSeconds(t), toS: inSeconds(healed.get(number) ?? t) }]
    }),
  }
}
