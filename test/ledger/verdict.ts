// The ledger's verdict over the histories of a run, in the manner of Jepsen's total-queue checker:
// what was put in must come out, once, in order, and what its sender was told must be true. It knows
// the promise (docs/reliability.md) and nothing of how the services keep it.
//
// A send without an answer is unknown: it may come out later, or never, and is not lost.

import { accountFor, type DeviceAccount } from './device-account.ts'
import { type Finding, FINDING_KINDS, type FindingKind } from './finding.ts'
import type { Histories, RunEvent } from './history.ts'
import { type MessageAccount, messagesOf } from './message-account.ts'
import { recoveries, type Recovery } from './recovery.ts'
import { findOutOfOrder, findTwice } from './rules/effect.ts'
import { type DevicesByAccount, findLost, findUnexpected } from './rules/reach.ts'
import { countRejections, findWrongRefusals } from './rules/refusals.ts'
import { findUnnoticedCopies, findWrongEnds, findWrongPushes } from './rules/sessions.ts'
import { findMissingTicks, findTickLies, standstillsOf } from './rules/ticks.ts'

export interface Verdict {
  readonly isGreen: boolean
  readonly counts: Readonly<Record<FindingKind, number>> & {
    /** Sends that were made durable on a device. */
    readonly attempted: number
    /** With a first tick. */
    readonly ticked: number
    /** Second ticks, over pairs of message and recipient account. */
    readonly delivered: number
    /** Rejected for good. */
    readonly rejected: number
    /** Without an answer, and come out all the same. */
    readonly recovered: number
    /** Without an answer, and not come out. */
    readonly unknown: number
    readonly devices: number
  }
  /** Rejections by code, of all devices, those that break the protocol included. */
  readonly rejections: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
  readonly recoveries: readonly Recovery[]
}

/** Judges a run. Pure; about a second for 100,000 messages. */
export function judge({ run, devices: histories }: Histories): Verdict {
  const devices = histories.flatMap((history) => accountFor(history) ?? [])
  const byAccount = Map.groupBy(devices, ({ account }) => account)
  const byName = new Map(devices.map((each) => [each.device, each]))
  const messages = messagesOf(devices)
  const all = [...messages.values()]
  const findings = [
    ...findLost(all, byAccount),
    ...findUnexpected(messages, devices),
    ...findTwice(devices),
    ...findOutOfOrder(messages, devices),
    ...findTickLies(all, byAccount, standstillsOf(run)),
    ...findMissingTicks(all, byAccount, byName),
    ...devices.flatMap(findWrongPushes),
    ...findWrongEnds(devices),
    ...devices.flatMap(findUnnoticedCopies),
    ...findWrongRefusals(devices),
    ...findStuckRows(run, byAccount),
  ]
  return {
    isGreen: findings.length === 0,
    counts: { ...countFindings(findings), ...countMessages(all, devices) },
    rejections: countRejections(devices),
    findings,
    recoveries: recoveries(run, all, byAccount),
  }
}

/** Where every device is connected, or has left, no entry is left in the mailbox. */
function findStuckRows(run: readonly RunEvent[], devices: DevicesByAccount): Finding[] {
  const left = run.flatMap((event) => (event.at === 'rows' ? event.left : []))
  return left.flatMap(([account, count]): Finding[] => {
    const own = devices.get(account) ?? []
    if (!own.every(({ isPresent, hasLeft }) => isPresent || hasLeft)) return []
    return [{ kind: 'rowsStuck', what: `${count} in the mailbox of ${account}`, count }]
  })
}

function countFindings(findings: readonly Finding[]): Record<FindingKind, number> {
  const kinds = Object.keys(FINDING_KINDS) as FindingKind[]
  const count = (kind: FindingKind) =>
    findings.reduce((sum, each) => (each.kind === kind ? sum + (each.count ?? 1) : sum), 0)
  return Object.fromEntries(kinds.map((kind) => [kind, count(kind)])) as Record<FindingKind, number>
}

function countMessages(messages: readonly MessageAccount[], devices: readonly DeviceAccount[]) {
  const kept = new Set(devices.flatMap((device) => [...device.kept.keys()]))
  const open = messages.filter(
    ({ storedAt, rejectedAt }) => storedAt === undefined && rejectedAt === undefined,
  )
  const recovered = open.filter(({ name }) => kept.has(name)).length
  return {
    attempted: messages.length,
    ticked: messages.filter(({ storedAt }) => storedAt !== undefined).length,
    delivered: messages.reduce((sum, { delivered }) => sum + delivered.size, 0),
    rejected: messages.filter(({ rejectedAt }) => rejectedAt !== undefined).length,
    recovered,
    unknown: open.length - recovered,
    devices: devices.length,
  }
}
