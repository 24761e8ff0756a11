// A process of proper devices (observed-device.ts). It is told what to do over its channel, and ends
// when that does. Killed and started again with the same order it goes on where its storages are.

import { setTimeout as sleep } from 'node:timers/promises'
import { claimDevice, createLinkCode, type To } from '@twotick/sdk'
import { createRandom, type Random } from '../random.ts'
import {
  type ObservedDevice,
  openObserved,
  openStore,
  patiently,
  registerPatiently,
  type Store,
  unfinishedOf,
} from './observed-device.ts'
import type { AccountOrder, Figures, Role, SwarmOrder } from './orders.ts'
import { pickyCodec } from './picky-codec.ts'
import { serve } from './serve.ts'
import { sendSteadily } from './traffic.ts'
import { installTap } from './wire-tap.ts'

const GROUP_MEMBERS = 5
const SLOW_MS = [5, 40] as const
const AWAKE_MS = [4_000, 15_000] as const
const ASLEEP_MS = [2_000, 8_000] as const
/** Of the commits of a crashy device. */
const CRASH_PROBABILITY = 1 / 600

interface Seat {
  readonly key: string
  readonly role: Role
  readonly isPrimary: boolean
  /** Undefined while it sleeps. */
  occupant: ObservedDevice | undefined
  /** Of its occupants before. */
  readonly past: Figures[]
}

interface Swarm {
  readonly order: SwarmOrder
  readonly random: Random
  readonly isBusy: () => boolean
  readonly seats: Seat[]
}

installTap()
serve(async (order, isBusy) => {
  const swarm = await open(order, isBusy)
  const primaries = swarm.seats.filter(({ isPrimary }) => isPrimary)
  return {
    accounts: primaries.flatMap(({ occupant }) => occupant?.account ?? []),
    figures: () => figures(swarm),
    send: (peers, signal) => sendAll(swarm, peers, signal),
    reconnect: () => swarm.seats.forEach(({ occupant }) => occupant?.device.redial()),
    async finish() {
      await Promise.all(swarm.seats.map(({ occupant }) => occupant?.close('present')))
    },
  }
})

async function open(order: SwarmOrder, isBusy: () => boolean): Promise<Swarm> {
  const swarm: Swarm = { order, isBusy, random: createRandom(order.seed), seats: [] }
  for (const account of order.accounts) await openAccount(swarm, account)
  return swarm
}

async function openAccount(swarm: Swarm, { key, role, companions }: AccountOrder) {
  const primary = await sit(swarm, { key, role, isPrimary: true }, (store) =>
    registerPatiently(store, key),
  )
  for (let number = 1; number <= companions; number++) {
    const seat = { key: `${key}-${number}`, role, isPrimary: false }
    await sit(swarm, seat, async ({ storage, url }) => {
      const code = await createLinkCode({ storage })
      await patiently(async () => primary.occupant?.device.linkDevice(code))
      await claimDevice({ url, storage, everyMs: 100 })
    })
  }
}

type NewSeat = Pick<Seat, 'key' | 'role' | 'isPrimary'>

async function sit(swarm: Swarm, seat: NewSeat, introduce: (store: Store) => Promise<void>) {
  const store = openStore(swarm.order.place, seat.key)
  const identity = await store.storage.read('identity', 'self')
  if (identity?.address === undefined) await introduce(store)
  const taken: Seat = { ...seat, occupant: await occupy(swarm, store, seat), past: [] }
  swarm.seats.push(taken)
  return taken
}

function occupy(swarm: Swarm, store: Store, { key, role }: NewSeat): Promise<ObservedDevice> {
  const random = swarm.random.branch(`${key} ${process.pid}`)
  const dieMaybe = () => {
    if (swarm.isBusy() && random.chance(CRASH_PROBABILITY)) process.kill(process.pid, 'SIGKILL')
  }
  return openObserved(store, {
    ...{ key, role },
    ...(role === 'picky' && { codec: pickyCodec }),
    ...(role === 'slow' && { handle: () => sleep(random.whole(...SLOW_MS)) }),
    ...(role === 'crashy' && { crashPoint: dieMaybe }),
  })
}

/** Every primary sends, companions too, but less; sleepy devices sleep meanwhile. */
async function sendAll(all: Swarm, accounts: readonly string[], signal: AbortSignal) {
  const group = await makeGroup(all)
  await Promise.all(
    all.seats.map(async (seat) => {
      const random = all.random.branch(seat.key)
      const own = seat.occupant?.account ?? ''
      const direct = accounts.filter((id) => id !== own).map((account): To => ({ account }))
      const isMember = group?.members.includes(own) === true
      const peers = isMember ? [...direct, group.to] : direct
      const { load } = all.order
      const paced = { ...load, everyMs: load.everyMs * (seat.isPrimary ? 1 : 4) }
      while (!signal.aborted && seat.occupant?.stopped() === undefined) {
        const awake = new AbortController()
        const ends = AbortSignal.any([signal, awake.signal])
        const { occupant } = seat
        if (occupant === undefined) return
        const sending = sendSteadily(occupant.device, occupant.stats, {
          ...{ load: paced, peers, random, signal: ends },
        })
        if (seat.role !== 'sleepy') await sending
        else await sleepOnce(all, seat, { random, signal, awake, sending })
      }
    }),
  )
}

interface Sleeping {
  readonly random: Random
  readonly signal: AbortSignal
  readonly awake: AbortController
  readonly sending: Promise<void>
}

async function sleepOnce(all: Swarm, seat: Seat, { random, signal, awake, sending }: Sleeping) {
  const pause = (range: readonly [number, number]) =>
    sleep(random.whole(...range), undefined, { signal }).catch(() => undefined)
  await pause(AWAKE_MS)
  awake.abort()
  await sending
  const { occupant } = seat
  if (signal.aborted || occupant === undefined) return
  seat.past.push(figuresOf(occupant))
  seat.occupant = undefined
  await occupant.close('away')
  await pause(ASLEEP_MS)
  seat.occupant = await occupy(all, openStore(all.order.place, seat.key), seat)
}

/** A group of the first of these accounts. */
async function makeGroup({ seats }: Swarm): Promise<{ to: To; members: string[] } | undefined> {
  const primaries = seats.filter(({ isPrimary }) => isPrimary).slice(0, GROUP_MEMBERS)
  const [first, ...others] = primaries.flatMap(({ occupant }) => occupant ?? [])
  if (first === undefined || others.length < 2) return undefined
  const members = others.map(({ account }) => account)
  const { conversationId } = await patiently(() => first.device.createConversation(members))
  return { to: { conversation: conversationId }, members: [first.account, ...members] }
}

function figuresOf(observed: ObservedDevice): Figures {
  const { attempted, stored, rejected, delivered, received } = observed.stats
  const counts = { attempted, stored, rejected, delivered, received }
  const connected = observed.device.isConnected() ? 1 : 0
  return { ...counts, unfinished: unfinishedOf(observed), devices: 1, connected }
}

function figures({ seats }: Swarm): Figures {
  const sum = { attempted: 0, stored: 0, rejected: 0, delivered: 0, received: 0 }
  const total = { ...sum, unfinished: 0, devices: seats.length, connected: 0 }
  const add = (each: Figures) => {
    for (const name of ['attempted', 'stored', 'rejected', 'delivered', 'received'] as const) {
      total[name] += each[name]
    }
  }
  for (const { occupant, past } of seats) {
    past.forEach(add)
    if (occupant === undefined || occupant.stopped() !== undefined) continue
    const each = figuresOf(occupant)
    add(each)
    total.unfinished += each.unfinished
    total.connected += each.connected
  }
  return total
}
