// All devices of a run: processes that hold many proper devices, processes of one that is meant to
// crash, and what faults may do to them.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Scope } from '@twotick/chassis'
import type { Place } from './devices/observed-device.ts'
import type {
  AccountOrder,
  Command,
  Figures,
  Load,
  Report,
  Role,
  SwarmOrder,
} from './devices/orders.ts'
import type { Random } from './random.ts'

export interface Fleet {
  /** kill -9 of this many of the processes whose devices are meant to crash; each starts again. */
  crash(count: number): Promise<void>
  /** Every device ends its connection and dials again, at once. */
  reconnect(): void
}

export interface OpenFleet extends Fleet {
  figures(): Figures
  send(): void
  /** Resolves when nobody sends any more and everybody is there. */
  quieten(): Promise<void>
  /** Lets every device write down that it is there, and ends. */
  finish(): Promise<void>
}

export interface FleetOptions {
  readonly place: Place
  readonly seed: number
  readonly accounts: number
  readonly crashers: number
  readonly messagesPerSecond: number
  /** Whether accounts and devices come and go. */
  readonly churns: boolean
  /** Devices that break the protocol. */
  readonly unruly: number
}

const SWARMS = 2
const WRITERS = 3
/** So much piles up on a device while it cannot send: what an outage has cost is made up for. */
const OUTSTANDING_MAX = 100
const BODY_BYTES = 256
/** Of ten accounts of a swarm. */
const ROLES: readonly Role[] = [
  ...(['slow', 'sleepy', 'picky'] as const),
  ...Array.from({ length: 7 }, () => 'steady' as const),
]

/** Starts the processes and registers every account. Nothing is sent yet. */
export async function openFleet(options: FleetOptions, random: Random, scope: Scope) {
  const members = ordersOf(options).map(createMember)
  scope.defer('devices', () => members.map((member) => member.end()))
  const accounts = (await Promise.all(members.map((member) => member.open()))).flat()
  const crashers = members.filter(({ mayCrash }) => mayCrash)
  const fleet: OpenFleet = {
    figures: () => members.map((member) => member.figures()).reduce(sum),
    send: () => members.forEach((member) => member.send(accounts)),
    async quieten() {
      await Promise.all(members.map((member) => member.quieten()))
    },
    async finish() {
      await Promise.all(members.map((member) => member.finish()))
    },
    async crash(count) {
      const chosen = crashers.map((member) => ({ member, order: random.next() }))
      chosen.sort((a, b) => a.order - b.order)
      for (const { member } of chosen.slice(0, count)) member.crash()
    },
    reconnect: () => members.forEach((member) => member.tell({ do: 'reconnect' })),
  }
  return fleet
}

function ordersOf(options: FleetOptions): MemberOrder[] {
  const { place, seed, accounts, crashers, messagesPerSecond } = options
  const load: Load = {
    everyMs: ((accounts + crashers + options.unruly) / messagesPerSecond) * 1_000,
    outstandingMax: OUTSTANDING_MAX,
    bodyBytes: BODY_BYTES,
  }
  const all = Array.from({ length: accounts }, (_, index): AccountOrder => {
    const companions = index % 10 === 9 ? 2 : index % 4 === 3 ? 1 : 0
    return { key: `a${index}`, role: ROLES[index % ROLES.length] ?? 'steady', companions }
  })
  const swarms = Array.from({ length: SWARMS }, (_, swarm) =>
    all.filter((_, index) => index % SWARMS === swarm),
  )
  const alone = Array.from({ length: crashers }, (_, index): AccountOrder[] => [
    { key: `c${index}`, role: 'crashy', companions: index % 2 },
  ])
  const writers = Array.from({ length: WRITERS }, (_, index): AccountOrder => {
    return { key: `w${index}`, role: 'steady', companions: 0 }
  })
  const unruly = Array.from({ length: options.unruly }, (_, index): AccountOrder => {
    return { key: `u${index}`, role: 'unruly', companions: 0 }
  })
  const order = (group: readonly AccountOrder[], index: number): SwarmOrder => {
    return { place, seed: seed * 100 + index, accounts: group, load }
  }
  return [
    ...[...swarms, ...alone].map((group, index) => {
      return { program: 'swarm.ts', order: order(group, index) }
    }),
    ...(options.churns ? [{ program: 'churn.ts', order: order(writers, 90) }] : []),
    ...(options.unruly > 0 ? [{ program: 'unruly.ts', order: order(unruly, 91) }] : []),
  ]
}

interface MemberOrder {
  readonly program: string
  readonly order: SwarmOrder
}

/** One process. What it is to do survives its death: the next one is told the same. */
function createMember({ program, order }: MemberOrder) {
  const mayCrash = order.accounts.every(({ role }) => role === 'crashy')
  let child: ChildProcess | undefined
  let figures: Figures = NOBODY
  /** Of the processes before: counts go on from there. */
  let before: Figures = NOBODY
  let peers: readonly string[] | undefined
  let isEnding = false
  let opened = Promise.withResolvers<readonly string[]>()

  function start(): void {
    opened = Promise.withResolvers()
    opened.promise.catch(() => undefined)
    const started = fork(join(import.meta.dirname, 'devices', program), { stdio: 'inherit' })
    child = started
    started.on('message', hear)
    // It dies while it is told something: its exit says what becomes of that.
    started.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') opened.reject(error)
    })
    started.once('exit', (code, signal) => {
      if (isEnding) return
      if (!mayCrash || signal !== 'SIGKILL') {
        const error = new Error(`a device process ended with ${signal ?? code}`)
        opened.reject(error)
        opened = Promise.withResolvers()
        opened.promise.catch(() => undefined)
        opened.reject(error)
        return
      }
      before = sum(before, { ...figures, unfinished: 0, devices: 0, connected: 0 })
      figures = NOBODY
      start()
    })
    tell({ do: 'open', order })
  }

  function hear(report: Report): void {
    if (report.is === 'figures') figures = report
    if (report.is !== 'opened') return
    opened.resolve(report.accounts)
    if (peers !== undefined) tell({ do: 'send', peers })
  }

  function tell(command: Command): void {
    if (child?.connected) child.send(command)
  }

  return {
    mayCrash,
    tell,
    figures: () => sum(before, figures),
    async open() {
      start()
      return opened.promise
    },
    send(accounts: readonly string[]) {
      peers = accounts
      tell({ do: 'send', peers })
    },
    async quieten() {
      peers = undefined
      // One that has crashed just now is told once it is there again.
      do await opened.promise
      while (child !== undefined && !(await becomesQuiet(child)))
    },
    async finish() {
      isEnding = true
      const ended = child && once(child, 'exit')
      tell({ do: 'finish' })
      await ended
    },
    crash: () => child?.kill('SIGKILL'),
    end() {
      isEnding = true
      child?.kill('SIGKILL')
    },
  }
}

/** False: it ended before that. */
function becomesQuiet(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.on('message', (report: Report) => report.is === 'quiet' && resolve(true))
    child.once('exit', () => resolve(false))
    if (child.connected) child.send({ do: 'quieten' } satisfies Command)
  })
}

const NOBODY: Figures = {
  ...{ attempted: 0, stored: 0, rejected: 0, delivered: 0, received: 0 },
  ...{ unfinished: 0, devices: 0, connected: 0 },
}

function sum(a: Figures, b: Figures): Figures {
  const names = Object.keys(NOBODY) as (keyof Figures)[]
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as Figures
}
