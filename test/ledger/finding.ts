// What the ledger finds wrong. Each kind has a count in the verdict, and must be 0.

import type { DeviceName, MessageName } from './history.ts'

export const FINDING_KINDS = {
  lost: 'a message with a first tick that a device should have and has not',
  unexpected: 'received, but never sent to it, or not as it was sent',
  twice: 'had its effect more than once on a device',
  pushedAgain: 'pushed at or below Welcome.acked_seq, or twice in one session',
  outOfOrder: 'came before what its sender had sent before it',
  tickLies: 'a first tick before commit, a second before a device had it, stored though rejected',
  ticksMissing: 'a device has it, or nobody ever will, and its sender was not told',
  cursorLies: 'Welcome.acked_seq is above what the device ever acknowledged',
  wrongEnds: 'a device was ended, or was gone, without a reason',
  wrongRefusals: 'a send was refused for good, without a reason',
  rowsStuck: 'rows in Postgres that nobody waits for',
} as const

export type FindingKind = keyof typeof FINDING_KINDS

export interface Finding {
  readonly kind: FindingKind
  readonly what: string
  readonly device?: DeviceName
  readonly message?: MessageName
  /** How many; 1 by default. */
  readonly count?: number
}
