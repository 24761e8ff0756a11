// Goal: whatever the relay stands on has stopped (SIGSTOP: nothing fails, nothing answers), no device
// waits more than 2 s for an answer or the end of its session, nor for a Welcome or a Refused; what it
// is told says when to come back; and the gateway's memory stays bounded while all go on sending.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { RefusalCode } from '@twotick/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceName } from '../../scripts/services.ts'
import { helloRaw, type RawConnection, type RawDevice, registerRaw, sendTo } from '../raw-device.ts'
import { type Relay, startRelay } from '../relay.ts'
import type { TestServer } from '../servers.ts'
import { waitFor } from '../wait.ts'

const SENDERS = 50
const VISITORS = 5
const SEND_EVERY_MS = 400
const SENDS_MAX = 64
const CIPHERTEXT = new Uint8Array(4_096)
const STOPPED_MS = 5_000
const TRAFFIC_MS = 60_000

const WANTED_MS = 2_000
/**
 * For this process to see it; and as long again as the same traffic took before anything stopped, for
 * a machine that is busy with other things: all timers and sockets are late there.
 */
const TOLERANCE_MS = 500
/** Of the gateway: what it may hold of sends, and as much to work with. */
const GROWTH_BYTES_MAX = 2 * 64 * 1_048_576

let relay: Relay
const senders: RawDevice[] = []
const visitors: RawDevice[] = []

beforeAll(async () => {
  relay = await startRelay({ ownServers: true })
  // Another name each time: on a busy machine the one before may be taken, by whoever was not told.
  const register = (number: number) => {
    let attempt = 0
    const one = () => registerRaw(relay.url, `device${number}-${++attempt}`)
    return waitFor(one, { what: 'an account', deadlineMs: 120_000 })
  }
  const numbers = Array.from({ length: SENDERS + VISITORS }, (_, number) => number)
  const devices = await Promise.all(numbers.map(register))
  senders.push(...devices.slice(0, SENDERS))
  visitors.push(...devices.slice(SENDERS))
}, 300_000)

afterAll(() => relay.stop())

interface End {
  readonly code: RefusalCode
  readonly retryAfterMs: number
}

const NO_WORD: End = { code: RefusalCode.REFUSAL_CODE_UNSPECIFIED, retryAfterMs: 0 }

/** How long devices waited, and what they were told at the end of a session, or instead of one. */
function createWatch() {
  const longest = { answer: 0, welcome: 0 }
  const watch = {
    longest,
    ends: [] as End[],
    answers: 0,
    welcomes: 0,
    waited(what: keyof typeof longest, since: number) {
      longest[what] = Math.max(longest[what], performance.now() - since)
    },
  }
  return watch
}
type Watch = ReturnType<typeof createWatch>

interface Trip {
  readonly from: RawDevice
  readonly to: RawDevice
  readonly watch: Watch
  readonly signal: AbortSignal
  /** It leaves once it is welcome, and sends nothing. */
  readonly isVisit?: boolean
}

/** One session, from its Hello to its end or the signal; sends all the while, answered or not. */
async function session({ from, to, watch, signal, isVisit }: Trip): Promise<End | undefined> {
  const dialledAt = performance.now()
  let isWelcome = false
  let end: End | undefined
  let no = 0
  let answeredNo = 0
  /** Since when it has something without an answer, and hears of nothing. */
  let waitsSince: number | undefined

  function answered(upTo: number) {
    if (waitsSince !== undefined) watch.waited('answer', waitsSince)
    watch.answers++
    answeredNo = upTo
    waitsSince = answeredNo < no ? performance.now() : undefined
  }

  function over(how: End) {
    if (end !== undefined || signal.aborted || (isVisit && isWelcome)) return
    end = how
    watch.ends.push(how)
    noteWait()
  }

  function noteWait() {
    if (!isWelcome) watch.waited('welcome', dialledAt)
    else if (waitsSince !== undefined) watch.waited('answer', waitsSince)
  }

  function sendOne(connection: RawConnection) {
    const value = { ...sendTo(to.address.accountId, no + 1, no), ciphertext: CIPHERTEXT }
    no++
    waitsSince ??= performance.now()
    connection.send({ $case: 'send', value })
  }

  const connection = await helloRaw(from, {}, (frame) => {
    if (frame.$case === 'stored') answered(frame.value.lastNo)
    else if (frame.$case === 'rejected') answered(frame.value.no)
    else if (frame.$case === 'refused' || frame.$case === 'goodbye') over(frame.value)
    else if (frame.$case === 'welcome') {
      isWelcome = true
      watch.welcomes++
      watch.waited('welcome', dialledAt)
      no = answeredNo = frame.value.sentNo
    }
  })
  void connection.closed.then(() => over(NO_WORD))
  while (end === undefined && !signal.aborted && !(isVisit && isWelcome)) {
    if (isWelcome && no - answeredNo < SENDS_MAX) sendOne(connection)
    await sleep(SEND_EVERY_MS)
  }
  if (signal.aborted) noteWait()
  connection.close()
  return end
}

/** One session after another; it comes back as it is told to, until the signal. */
async function keepSending(trip: Trip): Promise<void> {
  while (!trip.signal.aborted) {
    const end = await session(trip)
    await sleep(end?.retryAfterMs ?? 0)
  }
}

function gatewayBytes(): number {
  const status = readFileSync(`/proc/${relay.services.gateway.pid()}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1_024
}

const service = (name: ServiceName) => ({
  stop: () => relay.services[name].signal('SIGSTOP'),
  resume: () => relay.services[name].signal('SIGCONT'),
})
const server = (of: () => TestServer | undefined) => ({
  stop: async () => of()?.pause(),
  resume: async () => of()?.resume(),
})

/** `isHint`: sends are answered and sessions opened while it stands still. */
it.each([
  { name: 'envelope-store', isHint: false, ...service('envelope-store') },
  { name: 'metadata-validation', isHint: false, ...service('metadata-validation') },
  { name: 'Postgres', isHint: false, ...server(() => relay.postgres) },
  { name: 'delivery-fanout', isHint: true, ...service('delivery-fanout') },
  { name: 'NATS', isHint: true, ...server(() => relay.nats) },
  { name: 'Redis', isHint: true, ...server(() => relay.redis) },
])('$name stands still', { timeout: 180_000 }, async ({ isHint, stop, resume }) => {
  const stopping = new AbortController()
  const { signal } = stopping
  const watch = createWatch()
  const traffic = async (what: string) => {
    const enough = watch.answers + 4 * SENDERS
    await waitFor(() => watch.answers > enough, { what, deadlineMs: TRAFFIC_MS })
  }
  const running = [
    ...senders.map((from, index) => {
      const to = senders[(index + 1) % SENDERS]!
      return keepSending({ from, to, watch, signal })
    }),
    ...visitors.map((from) => keepSending({ from, to: from, watch, signal, isVisit: true })),
  ]
  await traffic('traffic before')
  const bytesBefore = gatewayBytes()
  const before = { ...watch.longest }
  Object.assign(watch, { answers: 0, welcomes: 0, ends: [] })
  Object.assign(watch.longest, { answer: 0, welcome: 0 })

  await stop()
  let bytes = 0
  for (const until = performance.now() + STOPPED_MS; performance.now() < until;) {
    bytes = Math.max(bytes, gatewayBytes())
    await sleep(100)
  }
  const { answers, welcomes } = watch
  const ends = [...watch.ends]
  await resume()
  await traffic('traffic again')
  stopping.abort()
  await Promise.all(running)

  // Also of what waited through all of it, and has its answer since.
  const { longest } = watch
  if (isHint) {
    expect(ends).toEqual([])
    expect(answers).toBeGreaterThan(SENDERS)
    expect(welcomes).toBeGreaterThan(VISITORS)
  } else {
    expect(ends.length).toBeGreaterThanOrEqual(SENDERS + VISITORS)
    for (const { code } of ends) expect(code).toBe(RefusalCode.UNAVAILABLE)
    for (const { retryAfterMs } of ends) expect(retryAfterMs).toBeGreaterThan(0)
  }
  expect(longest.answer).toBeLessThan(WANTED_MS + TOLERANCE_MS + before.answer)
  expect(longest.welcome).toBeLessThan(WANTED_MS + TOLERANCE_MS + before.welcome)
  expect(bytes - bytesBefore).toBeLessThan(GROWTH_BYTES_MAX)
})
