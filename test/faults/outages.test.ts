// Goal: NATS stopped, Redis flushed, each service killed, all under traffic: nothing that was ticked
// is lost, nothing has its effect twice, nothing is out of order; 10 s after the fault everything is
// there, and every second tick within 60 s.

import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { newAccount, sendText, type TestDevice } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { SERVICES } from '../../scripts/services.ts'
import { waitFor } from '../wait.ts'

const PAIRS = 6
const EVERY_MS = 40
const HEALED_MS = 10_000
/** Whoever found no gateway dials again after a random pause, of up to 30 s in the end. */
const DIALLED_MS = 30_000
const TICKS_MS = 60_000

interface Pair {
  readonly from: TestDevice
  readonly to: TestDevice
}

interface Traffic {
  readonly sent: Map<Pair, number>
  end(): Promise<void>
}

let relay: Relay
const pairs: Pair[] = []

beforeAll(async () => {
  relay = await startRelay({ ownServers: true })
  for (let number = 1; number <= PAIRS; number++) {
    const from = await newAccount(relay.url, `from${number}`)
    const to = await newAccount(relay.url, `to${number}`)
    pairs.push({ from, to })
  }
})

afterAll(async () => {
  await Promise.all(pairs.flatMap(({ from, to }) => [from.close(), to.close()]))
  await relay.stop()
})

/** Each pair sends numbered messages until it is ended; all of them are to arrive. */
function startTraffic(label: string): Traffic {
  const stopping = new AbortController()
  const sent = new Map<Pair, number>()
  const running = pairs.map(async (pair) => {
    for (let number = 1; !stopping.signal.aborted; number++) {
      const message = await sendText(pair.from, pair.to, `${label} ${number}`)
      message.stored.catch(() => undefined)
      message.delivered.catch(() => undefined)
      sent.set(pair, number)
      await sleep(EVERY_MS)
    }
  })
  return {
    sent,
    async end() {
      stopping.abort()
      await Promise.all(running)
    },
  }
}

function received({ to }: Pair, label: string): number[] {
  return to.received
    .filter(({ text }) => text.startsWith(`${label} `))
    .map(({ text }) => Number(text.split(' ')[1]))
}

function numbersTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}

/** Traffic before, during and after the fault; then what must hold. */
async function underTraffic(
  label: string,
  fault: () => Promise<void>,
  healedMs = HEALED_MS,
): Promise<void> {
  const traffic = startTraffic(label)
  await sleep(500)
  await fault()
  await sleep(500)
  await traffic.end()
  const isThere = (pair: Pair) => received(pair, label).length >= (traffic.sent.get(pair) ?? 0)
  await waitFor(() => pairs.every(isThere), { what: 'every message', deadlineMs: healedMs })
  for (const pair of pairs) {
    expect(received(pair, label)).toEqual(numbersTo(traffic.sent.get(pair) ?? 0))
  }
  await waitFor(() => pairs.every(({ from }) => from.device.unfinished().length === 0), {
    what: 'every second tick',
    deadlineMs: TICKS_MS,
  })
  for (const { from } of pairs) expect(from.notices).toEqual([])
}

it('NATS stopped for 5 s', async () => {
  await underTraffic('nats', async () => {
    await relay.nats.stop()
    await sleep(5_000)
    await relay.nats.restart()
  })
})

it('Redis flushed', async () => {
  await underTraffic('redis', async () => {
    const { hostname, port } = new URL(relay.redis.url)
    const socket = connect(Number(port), hostname)
    socket.write('FLUSHALL\r\n')
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toBe('+OK\r\n')
    socket.destroy()
  })
})

it.each(SERVICES)('%s killed and started again', async (name) => {
  const fault = async () => {
    await relay.services[name].signal('SIGKILL')
    await relay.services[name].start()
  }
  await underTraffic(name, fault, name === 'gateway' ? DIALLED_MS + HEALED_MS : HEALED_MS)
})

it('Postgres killed and started again', async () => {
  await underTraffic('postgres', async () => {
    await relay.postgres?.kill()
    await relay.postgres?.restart()
  })
})
