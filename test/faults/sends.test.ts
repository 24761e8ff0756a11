// Goal: a send is stored exactly once or not at all, whatever becomes of its answer, its gateway or
// the sends around it. The device is a raw one, so that it can drop, repeat and reorder.

import { RefusalCode, type Send } from '@twotick/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRaw, type RawDevice, registerRaw, type RawSession, sendTo } from '../raw-device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'

let relay: Relay
let names = 0

beforeAll(async () => {
  relay = await startRelay()
})

afterAll(async () => {
  await relay.stop()
})

async function pair(): Promise<{ from: RawDevice; to: RawDevice }> {
  const number = ++names
  return {
    from: await registerRaw(relay.url, `from${number}`),
    to: await registerRaw(relay.url, `to${number}`),
  }
}

function send(session: RawSession, value: Send): void {
  session.send({ $case: 'send', value })
}

/** How often a message lies in a mailbox, by its tag. */
async function rowsOf(message: Send): Promise<number> {
  const tag = Buffer.from(message.tag).readBigInt64BE()
  const rows = await relay.sql('select 1 from mailbox.entry where tag = $1', [tag.toString()])
  return rows.length
}

it('the retry of a send whose answer was lost is not stored twice', async () => {
  const { from, to } = await pair()
  const first = await openRaw(from)
  const message = sendTo(to.address.accountId, 1, 0)
  send(first, message)
  await waitFor(async () => (await rowsOf(message)) === 1, { what: 'the row' })
  first.close()

  const second = await openRaw(from)
  expect(second.welcome.sentNo).toBe(1)
  send(second, message)
  expect((await second.take('stored')).lastNo).toBe(1)
  expect(await rowsOf(message)).toBe(1)
  second.close()
})

it('an append of a stopped gateway is powerless once its device has a newer session', async () => {
  const { from, to } = await pair()
  const other = await relay.addGateway()
  const stuckSession = await openRaw({ ...from, url: other.url })
  await other.process.signal('SIGSTOP')
  const stuck = sendTo(to.address.accountId, 1, 0)
  send(stuckSession, stuck)

  const session = await openRaw(from)
  expect(session.welcome.sentNo).toBe(0)
  const goesOn = sendTo(to.address.accountId, 1, 0)
  send(session, goesOn)
  await session.take('stored')

  await other.process.signal('SIGCONT')
  expect((await stuckSession.take('goodbye')).code).toBe(RefusalCode.REPLACED)
  expect(await rowsOf(stuck)).toBe(0)
  expect(await rowsOf(goesOn)).toBe(1)
  session.close()
})

it('a rejected send whose answer was lost is not believed stored after the reconnect', async () => {
  const { from, to } = await pair()
  const first = await openRaw(from)
  send(first, { ...sendTo(to.address.accountId, 1, 0), type: 77 as Send['type'] })
  await first.take('rejected')
  first.close()
  const second = await openRaw(from)
  expect(second.welcome.sentNo).toBe(0)
  expect([...second.welcome.sentTag]).toEqual([...new Uint8Array(8)])
  second.close()
})

it('three sends pipelined behind a rejected one arrive once, in order', async () => {
  const { from, to } = await pair()
  const session = await openRaw(from)
  const accountId = to.address.accountId
  const bad = { ...sendTo(accountId, 1, 0), type: 77 as Send['type'] }
  const behind = [sendTo(accountId, 2, 1), sendTo(accountId, 3, 2), sendTo(accountId, 4, 3)]
  for (const message of [bad, ...behind]) send(session, message)
  expect((await session.take('rejected')).code).toBe(RefusalCode.UNKNOWN_TYPE)
  for (const message of behind) {
    const rejected = await session.take('rejected')
    expect(rejected).toMatchObject({ no: message.no, code: RefusalCode.OUT_OF_ORDER })
  }

  send(session, { ...behind[0]!, prevNo: 0 })
  send(session, behind[1]!)
  send(session, behind[2]!)
  await waitFor(
    () => session.frames.some((frame) => frame.$case === 'stored' && frame.value.lastNo === 4),
    { what: 'Stored up to 4' },
  )

  const receiver = await openRaw(to)
  await receiver.take('drained')
  const numbers = receiver.frames.flatMap((frame) =>
    frame.$case !== 'deliver'
      ? []
      : frame.value.entries.map(({ content }) =>
          content?.$case === 'envelope' ? content.value.no : 0,
        ),
  )
  expect(numbers).toEqual([2, 3, 4])
  session.close()
  receiver.close()
})

it('a store killed under a stream of sends loses and doubles nothing', async () => {
  const { from, to } = await pair()
  const session = await openRaw(from)
  const messages = Array.from({ length: 40 }, (_, index) =>
    sendTo(to.address.accountId, index + 1, index),
  )
  for (const message of messages.slice(0, 20)) send(session, message)
  await session.take('stored')
  await relay.services['envelope-store'].signal('SIGKILL')
  const restarted = relay.services['envelope-store'].start()
  for (const message of messages.slice(20)) send(session, message)
  await restarted

  // Either the session lived through it, or it ended and the next one goes on from what is stored.
  const answered = () =>
    session.frames.some((frame) => frame.$case === 'stored' && frame.value.lastNo === 40)
  const ended = () => session.frames.some((frame) => frame.$case === 'goodbye')
  await waitFor(() => answered() || ended(), { what: 'an answer or the end' })
  expect(session.frames.filter((frame) => frame.$case === 'rejected')).toEqual([])
  if (!answered()) {
    const next = await waitFor(() => openRaw(from), { what: 'the store, again' })
    for (const message of messages.slice(next.welcome.sentNo)) send(next, message)
    if (next.welcome.sentNo < 40) {
      await waitFor(() =>
        next.frames.some((frame) => frame.$case === 'stored' && frame.value.lastNo === 40),
      )
    }
    next.close()
  }
  for (const message of messages) expect(await rowsOf(message)).toBe(1)
  session.close()
})
