// A small run that went well, for the ledger's tests to go wrong in one thing at a time.

import type { FindingKind } from './finding.ts'
import type { DeviceEvent, Histories, RunEvent } from './history.ts'
import { judge } from './verdict.ts'

export const [ALICE, BOB, BOB2] = ['alice/1', 'bob/1', 'bob/2']

export interface Run {
  run: RunEvent[]
  alice: DeviceEvent[]
  bob: DeviceEvent[]
  bob2: DeviceEvent[]
}

/** Alice sends Bob, who has two devices, messages 1 and 2; a fault lies between them. */
export function goodRun(): Run {
  return {
    run: [
      { t: 0, at: 'phase', phase: 'quiet' },
      { t: 100, at: 'fault', number: 1, name: 'stop postgres' },
      { t: 100, at: 'standstill', number: 1 },
      { t: 900, at: 'standstill-ends', number: 1 },
      { t: 900, at: 'healed', number: 1 },
      { t: 2_000, at: 'rows', left: [] },
    ],
    alice: [
      { t: 1, at: 'opened', device: ALICE, role: 'sender' },
      { t: 2, at: 'welcome', session: 1, epoch: 'e', ackedSeq: 0 },
      { t: 10, at: 'send', no: 1, id: 'one', to: ['bob'] },
      { t: 12, at: 'stored', no: 1 },
      { t: 20, at: 'delivered', no: 1, account: 'bob' },
      { t: 300, at: 'send', no: 2, id: 'two', to: ['bob'] },
      { t: 910, at: 'stored', no: 2 },
      { t: 911, at: 'waited', ms: 610, what: 'send' },
      { t: 1_000, at: 'delivered', no: 2, account: 'bob' },
      { t: 1_900, at: 'present' },
    ],
    bob: receiver(BOB),
    bob2: receiver(BOB2),
  }
}

export function receiver(device: string): DeviceEvent[] {
  return [
    { t: 1, at: 'opened', device, role: 'receiver' },
    { t: 2, at: 'welcome', session: 1, epoch: 'e', ackedSeq: 0 },
    { t: 13, at: 'pushed', firstSeq: 1, of: [`${ALICE}#1`] },
    { t: 14, at: 'kept', of: [[`${ALICE}#1`, 'one']] },
    { t: 15, at: 'ack', seq: 1 },
    { t: 15, at: 'received', of: `${ALICE}#1` },
    { t: 950, at: 'pushed', firstSeq: 2, of: [`${ALICE}#2`] },
    { t: 960, at: 'kept', of: [[`${ALICE}#2`, 'two']] },
    { t: 961, at: 'ack', seq: 2 },
    { t: 962, at: 'received', of: `${ALICE}#2` },
    { t: 1_900, at: 'present' },
  ]
}

export function judgeRun({ run, ...devices }: Run) {
  const histories: Histories = { run, devices: Object.values(devices) }
  return judge(histories)
}

/** The kinds of finding, each once. */
export function found(change: (run: Run) => void): FindingKind[] {
  const run = goodRun()
  change(run)
  return [...new Set(judgeRun(run).findings.map(({ kind }) => kind))]
}

export function without(history: DeviceEvent[], ...kinds: DeviceEvent['at'][]): DeviceEvent[] {
  return history.filter(({ at }) => !kinds.includes(at))
}

export function keepsNothing(device: string): DeviceEvent[] {
  return without(receiver(device), 'pushed', 'kept', 'ack', 'received')
}
