// The workloads: what each one does, and with which numbers by default. How it is done is in
// pairs.ts, waiting.ts, crowd.ts.

export interface Workload {
  readonly kind: 'pairs' | 'drain' | 'idle' | 'group'
  readonly what: string
  /** What is counted. */
  readonly unit: 'messages' | 'entries' | 'deliveries' | 'connections'
  /** Pairs of accounts; accounts that wait, members of the group, or connections. */
  readonly accounts: number
  readonly payloadBytes: number
  /** Of a sender, without second tick. */
  readonly outstanding: number
  /** Of all senders together, whatever becomes of what was sent before; 0: a closed loop. */
  readonly perSecond: number
  /** Of each recipient. */
  readonly devices: number
  /** Messages that wait before they are drained. */
  readonly waiting: number
}

const ONLINE: Workload = {
  kind: 'pairs',
  what: '200 pairs online, 8 messages outstanding a sender',
  unit: 'messages',
  accounts: 200,
  payloadBytes: 512,
  outstanding: 8,
  perSecond: 0,
  devices: 1,
  waiting: 0,
}

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  online: ONLINE,
  'rate-500': { ...ONLINE, what: '500 messages/s, open loop', perSecond: 500 },
  'rate-2000': { ...ONLINE, what: '2,000 messages/s, open loop', perSecond: 2_000 },
  drain: {
    ...ONLINE,
    kind: 'drain',
    what: '50,000 waiting for 200 accounts',
    unit: 'entries',
    waiting: 50_000,
  },
  group: {
    ...ONLINE,
    kind: 'group',
    what: 'a group of 100, all online',
    unit: 'deliveries',
    accounts: 100,
  },
  large: {
    ...ONLINE,
    what: '50 pairs, payloads of 64 KiB',
    accounts: 50,
    outstanding: 2,
    payloadBytes: 65_536,
  },
  devices: { ...ONLINE, what: '100 pairs, recipients with 5 devices', accounts: 100, devices: 5 },
  idle: {
    ...ONLINE,
    kind: 'idle',
    what: '10,000 connections',
    unit: 'connections',
    accounts: 10_000,
  },
}

/** The workload with other numbers than its own; what it does says so. */
export function changed(
  workload: Workload,
  numbers: { readonly accounts?: number; readonly bytes?: number; readonly waiting?: number },
): Workload {
  const { accounts, bytes: payloadBytes, waiting } = numbers
  const said = Object.entries(numbers).map(([option, number]) => `--${option} ${number}`)
  return {
    ...workload,
    ...(said.length > 0 && { what: `${workload.what}; here with ${said.join(' ')}` }),
    ...(accounts !== undefined && { accounts }),
    ...(payloadBytes !== undefined && { payloadBytes }),
    ...(waiting !== undefined && { waiting }),
  }
}
