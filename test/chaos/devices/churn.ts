// A process whose accounts come and go under traffic: devices are linked, unlinked and evicted, or put
// back to an old copy of their storage; accounts are deleted and made. A few writers, who stay, send to
// whoever is there.

import { copyFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressKey, RefusalCode } from '@twotick/protocol'
import { claimDevice, createLinkCode, RefusedError, StoppedError, type To } from '@twotick/sdk'
import { createRandom, type Random } from '../random.ts'
import {
  type ObservedDevice,
  openObserved,
  openStore,
  patiently,
  type Place,
  registerPatiently,
  storagePath,
  unfinishedOf,
} from './observed-device.ts'
import type { Figures, Load, SwarmOrder } from './orders.ts'
import { serve } from './serve.ts'
import { sendSteadily } from './traffic.ts'
import { installTap } from './wire-tap.ts'

const DEVICES_MAX = 5
const PAUSE_MS = [200, 1_500] as const
/** Of the steps of a family's life. */
const DELETED = 0.08
const UNLINKED = 0.25
const RESTORED = 0.15
const COPY_AGE_MS = [500, 4_000] as const
/** In which an old copy of a storage should have found out that it is one. */
const FOUND_OUT_MS_MAX = 10_000
const ENDED_MS_MAX = 30_000
const POLL_MS = 50

/** An account that will not last: its primary, and its companions as they come and go. */
interface Family {
  readonly handle: string
  readonly primary: ObservedDevice
  readonly companions: ObservedDevice[]
}

interface Churn {
  readonly place: Place
  readonly random: Random
  readonly load: Load
  readonly writers: readonly ObservedDevice[]
  /** Where the writers send: changes under them. */
  readonly peers: To[]
  readonly families: Set<Family>
  readonly past: ObservedDevice[]
  made: number
}

installTap()
serve(async (order) => {
  const churn = await open(order)
  return {
    accounts: [], // nobody else sends to an account that may be gone
    figures: () => figures(churn),
    send: (_, signal) => live(churn, signal),
    reconnect: () => everybody(churn).forEach(({ device }) => device.redial()),
    async finish() {
      await Promise.all(everybody(churn).map((one) => one.close('present')))
    },
  }
})

async function open({ place, seed, accounts, load }: SwarmOrder): Promise<Churn> {
  const writers: ObservedDevice[] = []
  for (const { key } of accounts) writers.push(await register(place, key))
  const random = createRandom(seed)
  const families = new Set<Family>()
  return { place, random, load, writers, peers: [], families, past: [], made: 0 }
}

async function register(place: Place, key: string): Promise<ObservedDevice> {
  const store = openStore(place, key)
  await registerPatiently(store, key)
  return openObserved(store, { key, role: 'churn' })
}

async function live(churn: Churn, signal: AbortSignal): Promise<void> {
  const { writers, random, load } = churn
  const first = writers.map(({ account }): To => ({ account }))
  churn.peers.push(...first)
  const writing = writers.map((writer) => {
    const options = { load, peers: churn.peers, random: random.branch(writer.key), signal }
    return sendSteadily(writer.device, writer.stats, options)
  })
  const lives = writers.map(async (_, index) => {
    while (!signal.aborted) await liveOne(churn, random.branch(`${churn.made} ${index}`), signal)
  })
  await Promise.all([...writing, ...lives])
}

/** A family's life, from its registration until its account is deleted; or until the signal. */
async function liveOne(churn: Churn, random: Random, signal: AbortSignal): Promise<void> {
  const handle = `${churn.writers[0]?.key ?? ''}-f${++churn.made}`
  const primary = await register(churn.place, handle)
  const family: Family = { handle, primary, companions: [] }
  churn.families.add(family)
  const to: To = { account: primary.account }
  churn.peers.push(to)
  while (!signal.aborted) {
    await sleep(random.whole(...PAUSE_MS), undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    const draw = random.next()
    const [companion] = family.companions
    if (draw < DELETED) {
      churn.peers.splice(churn.peers.indexOf(to), 1)
      await deleteFamily(churn, family)
      return
    }
    const isOne = (probability: number) => companion !== undefined && draw < probability
    if (companion && isOne(DELETED + UNLINKED)) await unlink(churn, family, companion)
    else if (isOne(DELETED + UNLINKED + RESTORED)) await restore(churn, family, random)
    else await link(churn, family)
  }
}

async function link(churn: Churn, family: Family): Promise<void> {
  const { primary, companions } = family
  const key = `${family.handle}-${++churn.made}`
  const store = openStore(churn.place, key)
  const code = await createLinkCode(store)
  // The sixth device: the one that the relay names goes.
  if (companions.length === DEVICES_MAX - 1) {
    const limit = await patiently(() =>
      primary.device.linkDevice(code).then(() => undefined, limitOf),
    )
    const evicted = companions.find(({ device }) => device.address.deviceId === limit)
    if (limit === undefined || evicted === undefined)
      throw new Error('nobody is named for eviction')
    evicted.history.record({ at: 'leaving', device: addressKey(evicted.device.address) })
    await patiently(() => primary.device.linkDevice(code, '', limit))
    await ended(churn, family, evicted)
  } else await patiently(() => primary.device.linkDevice(code))
  await claimDevice({ url: store.url, storage: store.storage, everyMs: 200 })
  companions.push(await openObserved(store, { key, role: 'churn' }))
}

function limitOf(error: unknown): number {
  if (error instanceof RefusedError && error.code === RefusalCode.DEVICE_LIMIT) {
    return Number(error.detail)
  }
  throw error
}

async function unlink(churn: Churn, family: Family, companion: ObservedDevice): Promise<void> {
  const { address } = companion.device
  companion.history.record({ at: 'leaving', device: addressKey(address) })
  await patiently(() =>
    family.primary.device.unlinkDevice(address.deviceId).catch((error: unknown) => {
      // The try before has done it, and its answer was lost.
      const isDone = error instanceof RefusedError && error.code === RefusalCode.NOT_FOUND
      if (!isDone) throw error
    }),
  )
  await ended(churn, family, companion)
}

/** The first companion's storage is put back to an old copy; then it is unlinked. */
async function restore(churn: Churn, family: Family, random: Random): Promise<void> {
  const [companion] = family.companions
  if (companion === undefined || companion.stopped() !== undefined) return
  const path = storagePath(churn.place, companion.key)
  const again = async (from: ObservedDevice, event: 'copied' | 'restored') => {
    await from.close('away')
    churn.past.push(from)
    if (event === 'copied') copyFileSync(path, `${path}.copy`)
    else {
      for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
      copyFileSync(`${path}.copy`, path)
    }
    const store = openStore(churn.place, from.key)
    store.history.record({ at: event })
    const opened = await openObserved(store, { key: from.key, role: 'churn' })
    family.companions[0] = opened
    return opened
  }
  const later = await again(companion, 'copied')
  await sleep(random.whole(...COPY_AGE_MS))
  const old = await again(later, 'restored')
  const deadline = performance.now() + FOUND_OUT_MS_MAX
  while (old.stopped() === undefined && performance.now() < deadline) await sleep(POLL_MS)
  await unlink(churn, family, old)
}

async function deleteFamily(churn: Churn, family: Family): Promise<void> {
  const { primary, companions, handle } = family
  for (const { device, history } of [primary, ...companions]) {
    history.record({ at: 'leaving', device: addressKey(device.address) })
  }
  await patiently(() =>
    primary.device.deleteAccount(handle).catch((error: unknown) => {
      if (!(error instanceof StoppedError)) throw error
    }),
  )
  for (const companion of [...companions]) await ended(churn, family, companion)
  await ended(churn, family, primary)
  churn.families.delete(family)
}

/** Waits until the relay has told the device that it is unlinked. */
async function ended(churn: Churn, family: Family, gone: ObservedDevice): Promise<void> {
  const deadline = performance.now() + ENDED_MS_MAX
  while (gone.stopped() === undefined && performance.now() < deadline) await sleep(POLL_MS)
  const index = family.companions.indexOf(gone)
  if (index >= 0) family.companions.splice(index, 1)
  churn.past.push(gone)
  await gone.close('away')
}

function everybody({ writers, families }: Churn): ObservedDevice[] {
  const those = [...families].flatMap(({ primary, companions }) => [primary, ...companions])
  return [...writers, ...those]
}

function figures(churn: Churn): Figures {
  const there = everybody(churn)
  const total = (name: keyof ObservedDevice['stats']) =>
    [...there, ...churn.past].reduce((sum, { stats }) => sum + stats[name], 0)
  return {
    attempted: total('attempted'),
    stored: total('stored'),
    rejected: total('rejected'),
    delivered: total('delivered'),
    received: total('received'),
    unfinished: there.reduce((sum, one) => sum + unfinishedOf(one), 0),
    devices: there.length,
    connected: there.filter(({ device }) => device.isConnected()).length,
  }
}
