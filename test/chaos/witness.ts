// Witnesses of first ticks: raw devices that send as fast as they are answered, note what was ticked,
// and afterwards hold it against what the recipients get. They keep nothing across a session but that
// list: a send without an answer is forgotten, and may come out or not.

import { setTimeout as sleep } from 'node:timers/promises'
import { openRaw, type RawConnection, type RawDevice, registerRaw, sendTo } from '../raw-device.ts'
import { waitFor } from '../wait.ts'

const OUTSTANDING = 16
const RETRY_MS = 50
const COLLECT_MS = 30_000
const REGISTERED_MS = 30_000

export interface Verdict {
  readonly ticked: number
  readonly received: number
  /** Ticked, and not received: must be none. */
  readonly lost: number
  /** Received twice: must be none. */
  readonly twice: number
  /** Received behind something that was sent later: must be none. */
  readonly outOfOrder: number
  /** Ticked, and unknown to the store at the next Hello: must be none. */
  readonly forgotten: number
}

export interface Witness {
  /** First ticks so far. */
  ticked(): number
  /** Sends that were refused for good, so far. */
  rejected(): number
  /** When the last one came. */
  lastTickAt(): number
  /** From each send to its first tick, in ms, since the last call. */
  takeLatencies(): number[]
  start(): void
  /** Ends the session; what has no answer yet stays unknown. */
  stop(): Promise<void>
  /** Has the recipient take everything; what was ticked and received since the last time. */
  collect(): Promise<Verdict>
}

export async function openWitness(url: string, name: string): Promise<Witness> {
  const from = await register(url, `${name}-from`)
  const to = await register(url, `${name}-to`)
  const ticked = new Set<number>()
  let tickedInAll = 0
  let tickedAt = 0
  let rejected = 0
  let latencies: number[] = []
  let forgotten = 0
  let count = 0
  let stopping = new AbortController()
  let running: Promise<void> = Promise.resolve()
  let tickedNo = 0

  function tick(text: number, since: number): void {
    tickedAt = performance.now()
    latencies.push(tickedAt - since)
    ticked.add(text)
    tickedInAll += 1
  }

  /** One session, until it ends or the witness is stopped. */
  async function session(): Promise<void> {
    const sent = new Map<number, { text: number; at: number }>()
    let no = 0
    const sendOne = (connection: RawConnection) => {
      const send = sendTo(to.address.accountId, no + 1, no)
      no += 1
      count += 1
      sent.set(no, { text: count, at: performance.now() })
      connection.send({ $case: 'send', value: { ...send, ciphertext: encode(count) } })
    }
    const opened = await openRaw(from, (frame, connection) => {
      if (frame.$case === 'rejected') rejected += 1
      if (frame.$case === 'goodbye' || frame.$case === 'rejected') connection.close()
      if (frame.$case !== 'stored') return
      for (let each = frame.value.firstNo; each <= frame.value.lastNo; each++) {
        const known = sent.get(each)
        if (known === undefined) continue
        sent.delete(each)
        tick(known.text, known.at)
        tickedNo = each
        if (!stopping.signal.aborted) sendOne(connection)
      }
    })
    no = opened.welcome.sentNo
    forgotten += Math.max(0, tickedNo - no)
    tickedNo = no
    for (let each = 0; each < OUTSTANDING; each++) sendOne(opened)
    await Promise.race([opened.closed, aborted(stopping.signal)])
    opened.close()
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await session().catch(() => undefined) // the relay is not there: again
      if (!stopping.signal.aborted) await sleep(RETRY_MS)
    }
  }

  return {
    ticked: () => tickedInAll,
    rejected: () => rejected,
    lastTickAt: () => tickedAt,
    takeLatencies: () => latencies.splice(0),
    start() {
      stopping = new AbortController()
      running = run()
    },
    async stop() {
      stopping.abort()
      await running
    },
    async collect() {
      const received = await takeAll(to)
      const verdict = { ...judge(ticked, received), forgotten }
      ticked.clear()
      latencies = []
      forgotten = 0
      return verdict
    },
  }
}

/** Until it works: a relay that has just started, on a busy machine, may be too slow to answer. */
function register(url: string, handle: string): Promise<RawDevice> {
  let attempt = 0
  // Another name each time: the one before may be taken, by whoever was not told so.
  const one = () => registerRaw(url, `${handle}-${++attempt}`)
  return waitFor(one, { what: `the account ${handle}`, deadlineMs: REGISTERED_MS })
}

function judge(ticked: ReadonlySet<number>, received: readonly number[]) {
  const distinct = new Set(received)
  const isLate = (text: number, index: number) => index > 0 && text < (received[index - 1] ?? 0)
  return {
    ticked: ticked.size,
    received: distinct.size,
    lost: [...ticked].filter((text) => !distinct.has(text)).length,
    twice: received.length - distinct.size,
    outOfOrder: received.filter(isLate).length,
  }
}

/** The figures of several witnesses, or rounds, together. */
export function sum(verdicts: readonly Verdict[]): Verdict {
  const total = { ticked: 0, received: 0, lost: 0, twice: 0, outOfOrder: 0, forgotten: 0 }
  for (const verdict of verdicts) {
    for (const key of Object.keys(total) as (keyof Verdict)[]) total[key] += verdict[key]
  }
  return total
}

/** Everything in the recipient's mailbox, in the order it was pushed; acknowledged at the end. */
async function takeAll(to: RawDevice): Promise<number[]> {
  const received: number[] = []
  let isDrained = false
  const opened = await openRaw(to, (frame, connection) => {
    if (frame.$case === 'drained') isDrained = true
    if (frame.$case !== 'deliver') return
    for (const { content } of frame.value.entries) {
      if (content?.$case === 'envelope') received.push(decode(content.value.ciphertext))
    }
    const seq = frame.value.entries.at(-1)?.seq ?? 0
    connection.send({ $case: 'ack', value: { seq, failed: [] } })
  })
  await waitFor(() => isDrained, { what: 'Drained', deadlineMs: COLLECT_MS })
  opened.close()
  await opened.closed
  return received
}

function encode(number: number): Uint8Array {
  return new TextEncoder().encode(String(number))
}

function decode(ciphertext: Uint8Array): number {
  return Number(new TextDecoder().decode(ciphertext))
}

function aborted(signal: AbortSignal): Promise<undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  if (signal.aborted) resolve(undefined)
  else signal.addEventListener('abort', () => resolve(undefined), { once: true })
  return promise
}
