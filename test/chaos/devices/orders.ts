// What the run and its device processes say to each other, over the channel of `fork`.

import type { Place } from './observed-device.ts'

/**
 * How a device behaves:
 *
 *   steady   sends and receives
 *   slow     its application takes its time over each message
 *   sleepy   goes offline now and then
 *   picky    cannot process one message in fifty until it is sent again
 *   crashy   its process dies at any moment, most of all around a commit
 *   unruly   breaks the protocol, frame by frame
 */
export type Role = 'steady' | 'slow' | 'sleepy' | 'picky' | 'crashy' | 'unruly'

export interface AccountOrder {
  readonly key: string
  readonly role: Role
  /** Devices beside the primary. */
  readonly companions: number
}

export interface SwarmOrder {
  readonly place: Place
  readonly seed: number
  readonly accounts: readonly AccountOrder[]
  readonly load: Load
}

export interface Load {
  /** Between two messages of one sender, on average. */
  readonly everyMs: number
  /** Messages of one sender without a first tick, beyond which it waits. */
  readonly outstandingMax: number
  readonly bodyBytes: number
}

export type Command =
  | { readonly do: 'open'; readonly order: SwarmOrder }
  /** Send to these accounts from now on. */
  | { readonly do: 'send'; readonly peers: readonly string[] }
  /** Send no more; whoever was offline comes back. */
  | { readonly do: 'quieten' }
  | { readonly do: 'reconnect' }
  /** Write down who is there, and end. */
  | { readonly do: 'finish' }

export type Report =
  | { readonly is: 'opened'; readonly accounts: readonly string[] }
  | ({ readonly is: 'figures' } & Figures)
  | { readonly is: 'quiet' }

/** Of all devices of a process, since its start. */
export interface Figures {
  readonly attempted: number
  readonly stored: number
  readonly rejected: number
  readonly delivered: number
  readonly received: number
  /** Sends that have not both their ticks; messages that the application has not had yet. */
  readonly unfinished: number
  readonly devices: number
  readonly connected: number
}
