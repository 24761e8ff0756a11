// Goal: each gateway gets exactly what concerns it, in order, in as few events as fit.

import { expect, test } from 'vitest'
import {
  Appended,
  GatewayEvent,
  type MailboxAppended,
  SignalSent,
  TicksDelivered,
} from '@twotick/protocol/services'
import type { Holder } from '@twotick/presence'
import { APPENDED, DELIVERED, EVENT_BYTES_MAX, readMatters, SIGNAL } from './matter.ts'
import { EVERY_GATEWAY, type Presence, resyncRing, route } from './route.ts'

const ALICE = '00000000-0000-4000-8000-00000000000a'
const BOB = '00000000-0000-4000-8000-00000000000b'

const mailbox = (accountId: string, headSeq: number, bytes = 10): MailboxAppended => ({
  accountId,
  headSeq,
  entries: [
    {
      seq: headSeq,
      acceptedAtMs: 1,
      content: {
        $case: 'envelope',
        value: {
          sender: { accountId: ALICE, deviceId: 1 },
          no: headSeq,
          to: undefined,
          type: 1,
          ciphertext: new Uint8Array(bytes),
          parts: [],
        },
      },
    },
  ],
  copies: [],
})

const appended = (epoch: string, ...mailboxes: MailboxAppended[]) =>
  readMatters(APPENDED, Appended.encode({ epoch, mailboxes, contents: [] }).finish())

/** Copies of these contents, by their keys, in each account's mailbox. */
const copied = (accountIds: readonly string[], keys: readonly number[], bytes = 10) => {
  const mailboxes = accountIds.map((accountId) => {
    const copies = keys.map((key, index) => ({ seq: index + 1, key }))
    return { accountId, headSeq: keys.length, entries: [], copies }
  })
  const contents = keys.map((key) => {
    const [entry] = mailbox(ALICE, key, bytes).entries
    const envelope = entry?.content?.$case === 'envelope' ? entry.content.value : undefined
    return { key, acceptedAtMs: 1, envelope }
  })
  return readMatters(APPENDED, Appended.encode({ epoch: 'e1', mailboxes, contents }).finish())
}

const delivered = (epoch: string, accountId: string, deviceId: number) =>
  readMatters(
    DELIVERED,
    TicksDelivered.encode({
      epoch,
      ticks: [{ sender: { accountId, deviceId }, recipientAccountId: BOB, nos: [] }],
    }).finish(),
  )

const signal = (accountId: string) =>
  readMatters(
    SIGNAL,
    SignalSent.encode({
      sender: { accountId: ALICE, deviceId: 1 },
      accountId,
      ciphertext: new Uint8Array(3),
    }).finish(),
  )

const holder = (deviceId: number, gatewayId: string): Holder => ({
  deviceId,
  gatewayId,
  session: 1,
})

const presence: Presence = new Map([
  [ALICE, [holder(1, 'g1'), holder(2, 'g2')]],
  [BOB, [holder(1, 'g2'), holder(2, 'g2'), holder(3, 'g3')]],
])

const decoded = (rings: ReturnType<typeof route>) =>
  rings.map(({ subject, data }) => ({ subject, event: GatewayEvent.decode(data) }))

test('a mailbox goes once to every gateway that holds a device of the account', () => {
  const rings = decoded(route(appended('e1', mailbox(BOB, 7)), presence))
  expect(rings.map((ring) => ring.subject)).toEqual(['gateway.g2', 'gateway.g3'])
  for (const { event } of rings) {
    expect(event).toMatchObject({ epoch: 'e1', mailboxes: [{ accountId: BOB, headSeq: 7 }] })
    expect(event.mailboxes[0]?.entries.map((entry) => entry.seq)).toEqual([7])
  }
})

test('a tick goes to the gateway of the sending device alone', () => {
  const rings = decoded(route(delivered('e1', ALICE, 2), presence))
  expect(rings.map((ring) => ring.subject)).toEqual(['gateway.g2'])
  expect(rings[0]?.event.ticks).toHaveLength(1)
})

test('a signal goes to every gateway of the account and has no epoch', () => {
  const rings = decoded(route(signal(BOB), presence))
  expect(rings.map((ring) => ring.subject)).toEqual(['gateway.g2', 'gateway.g3'])
  expect(rings[0]?.event).toMatchObject({ epoch: '', mailboxes: [], signals: [{}] })
})

test('nobody is told of an account that is not connected', () => {
  expect(route(appended('e1', mailbox(BOB, 1)), new Map())).toEqual([])
  expect(route(delivered('e1', ALICE, 5), presence)).toEqual([])
})

test('all of a batch for one gateway is one event, in order', () => {
  const batch = [
    ...appended('e1', mailbox(BOB, 1), mailbox(ALICE, 4)),
    ...signal(ALICE),
    ...delivered('e1', ALICE, 2),
    ...appended('e1', mailbox(BOB, 2)),
  ]
  const rings = decoded(route(batch, presence)).filter((ring) => ring.subject === 'gateway.g2')
  expect(rings).toHaveLength(1)
  const { mailboxes, ticks, signals } = rings[0]!.event
  expect(mailboxes.map(({ accountId, headSeq }) => [accountId, headSeq])).toEqual([
    [BOB, 1],
    [ALICE, 4],
    [BOB, 2],
  ])
  expect([ticks.length, signals.length]).toEqual([1, 1])
})

test('without presence everything goes to every gateway, once', () => {
  const batch = [...appended('e1', mailbox(BOB, 1)), ...delivered('e1', ALICE, 2), ...signal(BOB)]
  const rings = decoded(route(batch, undefined))
  expect(rings.map((ring) => ring.subject)).toEqual([EVERY_GATEWAY])
  const { mailboxes, ticks, signals } = rings[0]!.event
  expect([mailboxes.length, ticks.length, signals.length]).toEqual([1, 1, 1])
})

test('two epochs are never in one event', () => {
  const batch = [
    ...signal(ALICE),
    ...appended('e1', mailbox(ALICE, 9)),
    ...appended('e2', mailbox(ALICE, 3)),
    ...signal(ALICE),
  ]
  const events = decoded(route(batch, presence))
    .filter((ring) => ring.subject === 'gateway.g1')
    .map((ring) => ring.event)
  expect(
    events.map((event) => [event.epoch, event.mailboxes.length, event.signals.length]),
  ).toEqual([
    ['e1', 1, 1],
    ['e2', 1, 1],
  ])
})

test('an event is no more than a socket is read at once: more becomes more events, in order', () => {
  const heads = Array.from({ length: 30 }, (_, index) => index + 1)
  const batch = heads.flatMap((head) => appended('e1', mailbox(ALICE, head, 6_000)))
  const rings = route(batch, new Map([[ALICE, [holder(1, 'g1')]]]))
  expect(rings.length).toBe(4)
  for (const ring of rings) expect(ring.data.length).toBeLessThanOrEqual(64 * 1_024)
  const told = decoded(rings).flatMap((ring) => ring.event.mailboxes.map((rung) => rung.headSeq))
  expect(told).toEqual(heads)
})

test('a mailbox that is more than that has an event to itself, with its entries', () => {
  const batch = appended('e1', mailbox(ALICE, 8), mailbox(ALICE, 9, 100_000), mailbox(ALICE, 10))
  const rings = decoded(route(batch, new Map([[ALICE, [holder(1, 'g1')]]])))
  const told = rings.map(({ event }) =>
    event.mailboxes.map((rung) => [rung.headSeq, rung.entries.length]),
  )
  expect(told).toEqual([[[8, 1]], [[9, 1]], [[10, 1]]])
})

const onG1 = new Map([
  [ALICE, [holder(1, 'g1')]],
  [BOB, [holder(1, 'g1')]],
])

const toldOf = (rings: ReturnType<typeof route>) =>
  decoded(rings).map(({ event }) => ({
    mailboxes: event.mailboxes.map((rung) => rung.copies.map(({ key }) => key)),
    contents: event.contents.map(({ key, envelope }) => [key, envelope?.no]),
  }))

test('what mailboxes share is in their event once, and in no other', () => {
  const rings = route(
    [...copied([ALICE, BOB], [1, 2]), ...copied([BOB], [3])],
    new Map([...onG1, [BOB, [holder(1, 'g1'), holder(2, 'g2')]]]),
  )
  expect(rings.map(({ subject }) => subject)).toEqual(['gateway.g1', 'gateway.g2'])
  const [one, two] = toldOf(rings)
  expect(one).toEqual({
    mailboxes: [[1, 2], [1, 2], [3]],
    contents: [
      [1, 1],
      [2, 2],
      [3, 3],
    ],
  })
  expect(two?.mailboxes).toEqual([[1, 2], [3]])
  expect(route(copied([ALICE], [1]), new Map())).toEqual([])
})

test('contents of two messages that have the same key are not in one event', () => {
  const told = toldOf(route([...copied([ALICE, BOB], [1]), ...copied([ALICE], [1])], onG1))
  expect(told.map(({ mailboxes }) => mailboxes.length)).toEqual([2, 1])
  expect(told.map(({ contents }) => contents)).toEqual([[[1, 1]], [[1, 1]]])
})

test('what is shared counts for the size of an event, once', () => {
  const [first, second] = [copied([ALICE, BOB], [1], 30_000), copied([ALICE, BOB], [2], 30_000)]
  const told = toldOf(route([...first, ...second], onG1))
  expect(told.map(({ mailboxes }) => mailboxes)).toEqual([
    [[1], [1]],
    [[2], [2]],
  ])
  const large = route(copied([ALICE, BOB], [1, 2], EVENT_BYTES_MAX / 2), onG1)
  expect(toldOf(large)).toEqual([{ mailboxes: [[], []], contents: [] }])
})

test('what a gateway is to push for one event is bounded, however small it is itself', () => {
  const batch = copied(
    Array.from({ length: 100 }, () => ALICE),
    [1],
    60_000,
  )
  const told = toldOf(route(batch, onG1))
  expect(told.map(({ mailboxes }) => mailboxes.length)).toEqual([34, 34, 32])
  expect(told.map(({ contents }) => contents.length)).toEqual([1, 1, 1])
})

test('a mailbox that is too many bytes for an event is only rung', () => {
  const batch = appended('e1', mailbox(ALICE, 8, EVENT_BYTES_MAX), mailbox(ALICE, 9))
  const rings = decoded(route(batch, new Map([[ALICE, [holder(1, 'g1')]]])))
  expect(rings[0]?.event.mailboxes.map((rung) => [rung.headSeq, rung.entries.length])).toEqual([
    [8, 0],
    [9, 1],
  ])
  for (const { data } of route(batch, undefined)) {
    expect(data.length).toBeLessThanOrEqual(EVENT_BYTES_MAX)
  }
})

test('a resync goes to every gateway and carries nothing else', () => {
  const ring = resyncRing()
  expect(ring.subject).toBe(EVERY_GATEWAY)
  expect(GatewayEvent.decode(ring.data)).toMatchObject({ epoch: '', resync: true, mailboxes: [] })
})
