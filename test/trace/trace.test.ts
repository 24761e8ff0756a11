// Goal: one trace shows an envelope from its send to every acknowledgement, across all services: each
// edge and each link by its name, for a live push, a drain, a batch and an expiry; and none of it
// names an account.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { bytes, linkDevice, newAccount, sendText, type TestDevice } from '../device.ts'
import { type Relay, startRelay } from '../relay.ts'
import { waitFor } from '../wait.ts'
import { edgesOf, linksTo, openReceiver, type ReceivedSpan, titleOf } from './receiver.ts'

let receiver: Awaited<ReturnType<typeof openReceiver>>
let relay: Relay
let alice: TestDevice
const open: TestDevice[] = []

beforeAll(async () => {
  receiver = await openReceiver()
  const { env } = receiver
  relay = await startRelay({
    env: {
      'envelope-store': env,
      'metadata-validation': env,
      'delivery-fanout': env,
      gateway: { ...env, TWOTICK_TRACE_RATIO: '1' },
      expiry: { ...env, TWOTICK_SWEEP_INTERVAL_MS: '200' },
    },
  })
  alice = await newAccount(relay.url, 'alice')
  open.push(alice)
})

afterAll(async () => {
  await Promise.all(open.map((device) => device.close()))
  await relay.stop()
  await receiver.close()
})

/** Acts, and returns the trace of the send that began then: spans of earlier ones may come only now. */
async function sendTraced(act: () => Promise<unknown>): Promise<string> {
  const sinceNs = BigInt(Date.now()) * 1_000_000n
  await act()
  const own = () =>
    receiver.spans.find(
      ({ name, startTimeUnixNano }) => name === 'send' && BigInt(startTimeUnixNano) >= sinceNs,
    )
  return (await waitFor(own, { what: 'the trace of the send' })).traceId
}

function isPushOf(span: ReceivedSpan, traceId: string): boolean {
  return span.name === 'push' && span.traceId === traceId
}

function waitForEdge(traceId: string, edge: string): Promise<unknown> {
  const has = () => edgesOf(receiver.spans, traceId).has(edge)
  return waitFor(has, { what: edge })
}

function waitForLink(traceId: string, link: string): Promise<unknown> {
  const has = () => linksTo(receiver.spans, traceId).has(link)
  return waitFor(has, { what: link })
}

it('a live push is a child all the way; a drain is linked', async () => {
  const bob = await newAccount(relay.url, 'bob')
  const tablet = await linkDevice(relay.url, bob)
  const laptop = await linkDevice(relay.url, bob)
  open.push(bob, tablet, laptop)
  await tablet.open()
  // A session is live once it has caught up; a first message shows that these are.
  await sendText(alice, bob, 'are you there')
  // With its acks done, the next message has the store to itself.
  const settled = 'account_id = $1 and head_seq = 1 and a1 = head_seq and a2 = head_seq'
  const isLive = async () => {
    const { accountId } = bob.address
    const rows = await relay.sql(`select 1 from mailbox.mailbox where ${settled}`, [accountId])
    return rows.length === 1
  }
  await waitFor(isLive, { what: 'the acks of both devices' })
  const traceId = await sendTraced(async () => {
    await (
      await sendText(alice, bob, 'to three devices')
    ).delivered
  })
  const live = [
    'gateway send -> gateway validate',
    'gateway validate -> metadata-validation validate',
    'gateway send -> gateway append',
    'gateway append -> envelope-store append',
    'envelope-store append -> envelope-store transaction',
    'envelope-store append -> envelope-store publish mailbox.appended',
    'envelope-store publish mailbox.appended -> delivery-fanout process mailbox.appended',
    'delivery-fanout process mailbox.appended -> gateway push',
    'gateway push -> gateway ack',
    'gateway ack -> envelope-store ack',
    'envelope-store ack -> envelope-store publish mailbox.delivered',
    'envelope-store publish mailbox.delivered -> delivery-fanout process mailbox.delivered',
    'delivery-fanout process mailbox.delivered -> gateway push second tick',
  ]
  for (const edge of live) await waitForEdge(traceId, edge)
  const pushes = () => receiver.spans.filter((each) => isPushOf(each, traceId))
  await waitFor(() => pushes().length === 2, { what: 'a push to each connected device' })

  await laptop.open()
  await waitForLink(traceId, 'gateway push => envelope-store append')
  const drain = receiver.spans.find(
    ({ name, links }) => name === 'push' && links?.some((link) => link.traceId === traceId),
  )
  if (drain === undefined) throw new Error('no push is linked')
  expect(drain.parentSpanId ?? '').toBe('')
  await waitForEdge(drain.traceId, 'gateway push -> gateway ack')
  await waitForEdge(drain.traceId, 'gateway ack -> envelope-store ack')
  await waitForEdge(drain.traceId, 'envelope-store ack -> envelope-store delete')
})

it('what is done for several is a trace of its own, linked to each of them', async () => {
  const carol = await newAccount(relay.url, 'carol')
  open.push(carol)
  await Promise.all(Array.from({ length: 40 }, (_, no) => sendText(alice, carol, `many ${no}`)))
  const batches = [
    // Acks go along with sends.
    ['envelope-store transaction', ['envelope-store append', 'envelope-store ack']],
    ['delivery-fanout process mailbox.appended', ['envelope-store publish mailbox.appended']],
    ['gateway push', ['envelope-store append']],
  ] as const
  for (const [title, linked] of batches) {
    const isBatch = (span: ReceivedSpan) =>
      titleOf(span) === title && (span.links?.length ?? 0) > 1 && areLinkedTo(span, linked)
    const what = `${title} of several, each link to ${linked.join(' or ')}`
    await waitFor(() => receiver.spans.some(isBatch), { what })
    const batch = receiver.spans.find(isBatch)
    expect(batch?.parentSpanId ?? '', what).toBe('')
    const spanIds = new Set(batch?.links?.map(({ spanId }) => spanId))
    expect(spanIds.size, what).toBe(batch?.links?.length)
  }
})

function areLinkedTo({ links = [] }: ReceivedSpan, titles: readonly string[]): boolean {
  return links.every(({ traceId, spanId }) => {
    const target = receiver.spans.find((each) => each.traceId === traceId && each.spanId === spanId)
    return target !== undefined && titles.includes(titleOf(target))
  })
}

it('what expires is linked to its send, however much later', async () => {
  const dave = await newAccount(relay.url, 'dave')
  await dave.close()
  const traceId = await sendTraced(async () => {
    const { accountId } = dave.address
    const message = { to: { account: accountId }, body: bytes('nobody reads me'), lifetimeS: 1 }
    await (
      await alice.device.send(message)
    ).stored
  })
  await waitForLink(traceId, 'envelope-store expire => envelope-store append')
})

it('every service answers its metrics on its health port', async () => {
  for (const [name, service] of Object.entries(relay.services)) {
    const response = await fetch(`${service.healthUrl}/metrics`)
    expect(response.status, name).toBe(200)
    if (name === 'gateway') expect(await response.text()).toMatch(/^twotick_gateway_stored_total/m)
  }
})

it('no span names an account or carries a word', () => {
  const everything = JSON.stringify(receiver.spans)
  for (const { address } of open) expect(everything).not.toContain(address.accountId)
  expect(everything).not.toContain('to three devices')
  const marks = new Set(receiver.spans.flatMap((span) => markOf(span, 'twotick.recipient')))
  expect(marks.size).toBeGreaterThan(1)
  for (const mark of marks) expect(mark).toMatch(/^[0-9a-f]{16}$/)
})

function markOf({ attributes = [] }: ReceivedSpan, name: string): string[] {
  const found = attributes.find(({ key }) => key === name)?.value as { stringValue?: string }
  return found?.stringValue === undefined ? [] : [found.stringValue]
}
