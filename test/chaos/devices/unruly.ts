// A process of devices that do what no proper device would: frames that are none, or too large, sends
// replayed, reordered and with a hole before them, acks beyond what was pushed, a second Hello, two
// connections at once, connections that say nothing. Whatever the relay makes of that, what it stores
// is what was numbered properly, once.
//
// Each sends to one proper account, frame by frame, and keeps what it would need to go on: what has no
// answer is sent again, unchanged, on the next connection.

import { setTimeout as sleep } from 'node:timers/promises'
import { addressKey, type Down, type Notice, type Send, StatusState } from '@twotick/protocol'
import { plainCodec } from '@twotick/sdk'
import {
  connectRaw,
  openRaw,
  type RawConnection,
  type RawDevice,
  registerRaw,
  sendTo,
} from '../../raw-device.ts'
import { createRandom, type Random } from '../random.ts'
import { idOf, makeBody } from './body.ts'
import { type DeviceHistory, openDeviceHistory } from './history-file.ts'
import { noticeName, type Place } from './observed-device.ts'
import type { Figures, Load } from './orders.ts'
import { serve } from './serve.ts'
import { installTap, tapped } from './wire-tap.ts'

const RETRY_MS = 500
const ASK_EVERY_MS = 2_000
const ASKED_MAX = 256
const FRAME_TOO_LARGE_BYTES = 100 * 1024
/** Of its doings: those that end the connection; a replay; a hole; two in the wrong order. */
const RUINOUS = 0.01
const REPLAYED = 0.15
const HOLED = 0.05
const SWAPPED = 0.05
/** Numbers that a run does not come to. */
const HOLE = 1_000_000

interface Unruly {
  readonly raw: RawDevice
  readonly history: DeviceHistory
  readonly random: Random
  /** Without an answer, in order. */
  open: Send[]
  /** With a first tick and no second. */
  readonly stored: Map<number, Send>
  /** The last one that was stored, to be replayed. */
  last: Send | undefined
  acceptedNo: number
  lastNo: number
  readonly counts: { attempted: number; stored: number; delivered: number }
  session: RawConnection | undefined
  askedAt: number
}

installTap()
serve(async ({ place, seed, accounts, load }) => {
  const devices: Unruly[] = []
  for (const [index, { key }] of accounts.entries()) {
    devices.push(await register(place, key, createRandom(seed + index)))
  }
  const ending = new AbortController()
  return {
    accounts: [],
    figures: () => devices.map(figuresOf).reduce(sum),
    async send(peers, signal) {
      devices.forEach((one, index) => {
        const to = peers[index % peers.length]
        if (to !== undefined) void misbehave(one, { to, load, signal, ending: ending.signal })
      })
      // What they have sent is settled while the others drain.
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
    reconnect: () => devices.forEach(({ session }) => session?.close()),
    async finish() {
      ending.abort()
      for (const { history, session } of devices) {
        history.record({ at: 'present' })
        session?.close()
      }
    },
  }
})

async function register(place: Place, key: string, random: Random): Promise<Unruly> {
  const history = openDeviceHistory(place.histories, key)
  const raw = await registerAtLast(tapped(place.url, key, history), key)
  history.record({ at: 'opened', device: addressKey(raw.address), role: 'unruly' })
  const counts = { attempted: 0, stored: 0, delivered: 0 }
  const standing = { open: [], stored: new Map<number, Send>(), acceptedNo: 0, lastNo: 0 }
  const nothing = { last: undefined, session: undefined, askedAt: 0 }
  return { raw, history, random, counts, ...standing, ...nothing }
}

/** Under another handle each time: the one before may be taken, by whoever was not told so. */
async function registerAtLast(url: string, key: string): Promise<RawDevice> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await registerRaw(url, `${key}-${attempt}`)
    } catch (error) {
      if (attempt === 20) throw error
      await sleep(RETRY_MS)
    }
  }
}

interface Doing {
  readonly to: string
  readonly load: Load
  readonly signal: AbortSignal
  readonly ending: AbortSignal
}

/** Until the signal; then it is polite, until the end. */
async function misbehave(one: Unruly, { to, load, signal, ending }: Doing): Promise<void> {
  while (!ending.aborted) {
    const session = one.session ?? (await connect(one))
    if (session === undefined) await sleep(RETRY_MS)
    else {
      const isFull = one.open.length >= load.outstandingMax
      if (!signal.aborted && !isFull) await doSomething(one, session, to)
      ask(one, session, to)
      await sleep(signal.aborted ? RETRY_MS : load.everyMs * 2 * one.random.next())
    }
  }
}

async function connect(one: Unruly): Promise<RawConnection | undefined> {
  const session = await openRaw(one.raw, (frame, on) => hear(one, on, frame)).catch(() => undefined)
  if (session === undefined) return undefined
  const { sentNo } = session.welcome
  one.open.filter(({ no }) => no <= sentNo).forEach((send) => settle(one, send))
  one.open = one.open.filter(({ no }) => no > sentNo)
  one.acceptedNo = sentNo
  one.session = session
  one.askedAt = 0
  void session.closed.then(() => one.session === session && (one.session = undefined))
  // What has no answer goes out again: same numbers, same bytes.
  let prevNo = sentNo
  one.open = one.open.map((send) => {
    const again = { ...send, prevNo }
    prevNo = send.no
    return again
  })
  for (const send of one.open) session.send({ $case: 'send', value: send })
  return session
}

async function doSomething(one: Unruly, session: RawConnection, to: string): Promise<void> {
  const { random } = one
  if (random.chance(RUINOUS)) return ruin(one, session)
  if (random.chance(REPLAYED) && one.last && one.open.length === 0) {
    // Stored once, however often it comes.
    return session.send({ $case: 'send', value: one.last })
  }
  if (random.chance(HOLED)) {
    // Never stored, and nobody has written it down as sent: no other message comes to these numbers.
    // (With the next but one it was stored once, and the message that had that number was not: it was
    // judged again behind one whose outcome was not known, after the number that it lacked.)
    const no = one.lastNo + HOLE
    const bad = { ...(await make(to, no)), prevNo: no - 1 }
    return session.send({ $case: 'send', value: bad })
  }
  const sends = [await number(one, to)]
  if (random.chance(SWAPPED)) sends.unshift(await number(one, to))
  for (const send of sends) session.send({ $case: 'send', value: send })
}

/** A message more, as its next number. */
async function number(one: Unruly, to: string): Promise<Send> {
  const no = ++one.lastNo
  const prevNo = one.open.at(-1)?.no ?? one.acceptedNo
  const body = makeBody(64)
  const send = { ...(await make(to, no, body)), prevNo }
  one.history.record({ at: 'send', no, id: idOf(body), to: [to] })
  one.counts.attempted++
  one.open.push(send)
  return send
}

async function make(to: string, no: number, body = makeBody(64)): Promise<Send> {
  const encoded = await plainCodec.encode({ body }, [])
  if (!('ciphertext' in encoded)) throw new Error('the plain codec makes one ciphertext for all')
  return { ...sendTo(to, no, 0), ciphertext: encoded.ciphertext }
}

const NO_HELLO = {
  ...{ signature: new Uint8Array(64), clientName: '', clientVersion: '1', features: [] },
  audience: '',
}

/** Each of these may end the connection, and does nothing else. */
function ruin({ random, raw }: Unruly, session: RawConnection): void {
  const ways = [
    () => session.sendBytes(new Uint8Array(FRAME_TOO_LARGE_BYTES)),
    () => session.sendBytes(Uint8Array.from({ length: 40 }, () => random.whole(0, 255))),
    () => session.send({ $case: 'ack', value: { seq: 2 ** 40, failed: [] } }),
    () => session.send({ $case: 'hello', value: { ...NO_HELLO, address: raw.address } }),
    () => forget(openRaw(raw).then((newer) => newer.close())),
    () => forget(connectRaw(raw.url)), // it says nothing, and is ended after ten seconds
  ]
  random.pick(ways)()
}

function forget(work: Promise<unknown>): void {
  work.catch(() => undefined) // the relay is not there
}

function hear(one: Unruly, session: RawConnection, frame: NonNullable<Down['frame']>): void {
  if (frame.$case === 'stored') {
    while (one.open[0] && one.open[0].no <= frame.value.lastNo) {
      const send = one.open.shift()
      if (send) settle(one, send)
    }
  } else if (frame.$case === 'rejected') {
    // What came in the wrong order: once it is known that nothing is on its way, it goes again.
    if (one.open.some(({ no }) => no === frame.value.no)) session.close()
  } else if (frame.$case === 'delivered') {
    for (const { first, last } of frame.value.nos) {
      for (let no = first; no <= last; no++) deliver(one, no, frame.value.recipientAccountId)
    }
  } else if (frame.$case === 'status') {
    for (const { no, state } of frame.value.answers) {
      if (state === StatusState.DELIVERED) deliver(one, no, frame.value.recipientAccountId)
    }
  } else if (frame.$case === 'deliver') {
    const seq = frame.value.entries.at(-1)?.seq ?? 0
    for (const { content } of frame.value.entries) {
      if (content?.$case === 'notice') heed(one, content.value)
    }
    session.send({ $case: 'ack', value: { seq, failed: [] } })
  }
}

/** After a closing notice `DELIVERED` says no more than that nobody will have it. */
function heed({ history, stored }: Unruly, notice: Notice): void {
  const { deviceId: device, no, closing: isClosing } = notice
  const accounts = notice.recipients.map(({ accountId }) => accountId)
  history.record({ at: 'notice', kind: noticeName(notice.kind), device, no, isClosing, accounts })
  if (isClosing) stored.delete(no)
}

function settle(one: Unruly, send: Send): void {
  one.history.record({ at: 'stored', no: send.no })
  one.counts.stored++
  one.acceptedNo = send.no
  one.last = send
  one.stored.set(send.no, send)
}

/** One that comes before the first tick is asked for again. */
function deliver(one: Unruly, no: number, account: string): void {
  if (!one.stored.delete(no)) return
  one.history.record({ at: 'delivered', no, account })
  one.counts.delivered++
}

function ask(one: Unruly, session: RawConnection, to: string): void {
  if (one.stored.size === 0 || performance.now() - one.askedAt < ASK_EVERY_MS) return
  one.askedAt = performance.now()
  const items = [...one.stored.values()].slice(0, ASKED_MAX).map(({ no, tag }) => ({ no, tag }))
  session.send({ $case: 'statusQuery', value: { queryId: 1, recipientAccountId: to, items } })
}

function figuresOf({ counts, open, stored, session }: Unruly): Figures {
  const unfinished = open.length + stored.size
  const connected = session === undefined ? 0 : 1
  return { ...counts, rejected: 0, received: 0, unfinished, devices: 1, connected }
}

function sum(a: Figures, b: Figures): Figures {
  const names = Object.keys(a) as (keyof Figures)[]
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as Figures
}
