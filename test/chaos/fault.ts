// What a fault is. The schedule draws faults, injects each, and heals it after a while; several may
// be under way at once, but never two of one target.

import type { Scope } from '@twotick/chassis'
import type { Random } from './random.ts'
import type { PostgresSetting, Stack } from './stack.ts'

/** Undoes the fault. Resolves when what was broken serves again. */
export type Heal = () => Promise<void>

export interface Fault {
  /** What is done to what, in words; `--faults` and the report name it so. */
  readonly name: string
  /** What breaks. */
  readonly target: string
  /** What this machine lacks for it; it is skipped then, with a line that says so. */
  lacks?(): Promise<string | undefined>
  /** How long it lasts, at least and at most. [0, 0]: `inject` resolves when it is over. */
  readonly lastsMs: readonly [number, number]
  /** While it lasts nothing can be committed: whoever ticks then what was sent then, lies. */
  readonly stopsCommits?: true
  /** The store forgets: no accounts and devices come and go, and none breaks the protocol. */
  readonly rollsBack?: true
  /** All services are those of the release before when the run begins (`stack.checkout`). */
  readonly startsBefore?: true
  /** Weight in a random schedule; 1 by default, 0: only where it is named. */
  readonly weight?: number
  /** Changes how Postgres is started, before the run; what it opens is closed with the scope. */
  prepare?(setting: PostgresSetting, scope: Scope): Promise<void>
  inject(stack: Stack, random: Random): Promise<Heal>
}
