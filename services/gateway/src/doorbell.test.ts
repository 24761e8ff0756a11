// Goal: what comes over the bus reaches the sessions of its own epoch; and when the bus was away, each
// session is compared with the store and told to ask for its ticks, without anybody else's help.

import { type Bus, createLog, type HandleMessage } from '@twotick/chassis'
import { GatewayEvent, type StoredEntry } from '@twotick/protocol/services'
import { expect, test } from 'vitest'
import type { LiveSession } from './connection.ts'
import { answerDoorbells } from './doorbell.ts'
import { createEvents } from './events.ts'
import { createRegistry } from './registry.ts'

const NOTHING: GatewayEvent = {
  ...{ epoch: '', mailboxes: [], ticks: [], signals: [], replaced: [], resync: false },
  contents: [],
}

const DEVICE = { accountId: 'alice', deviceId: 1 }

/** A gateway with one session, of the epoch `now`, and the bus in the test's hand. */
function gateway() {
  const said: string[] = []
  const pushed: StoredEntry[] = []
  const session = {
    device: DEVICE,
    number: 3,
    epoch: 'now',
    rung(headSeq: number, entries: readonly StoredEntry[]) {
      said.push(`rung ${headSeq}`)
      pushed.push(...entries)
    },
    ticked: () => said.push('ticked'),
    resync: () => said.push('resync'),
    end: ({ code }: { code: number }) => said.push(`end ${code}`),
  } as unknown as LiveSession
  const registry = createRegistry()
  registry.enter(session)
  const hearing = new Map<string, HandleMessage>()
  const connected: (() => void)[] = []
  const bus = {
    subscribe(subject: string, handle: HandleMessage) {
      hearing.set(subject, handle)
      return { close: () => hearing.delete(subject) }
    },
    onConnected: (listener: () => void) => connected.push(listener),
  } as unknown as Bus
  const reconciliation = { soon: () => void said.push('compared'), ended: Promise.resolve() }
  const events = createEvents(createLog('gateway'))
  const doorbells = answerDoorbells(bus, { gatewayId: 'one', registry, reconciliation, events })
  return {
    said,
    pushed,
    hearing,
    doorbells,
    publish(subject: string, event: Partial<GatewayEvent>) {
      const bytes = GatewayEvent.encode({ ...NOTHING, ...event }).finish()
      hearing.get(subject)?.(bytes, subject)
    },
    isBack: () => connected.forEach((listener) => listener()),
  }
}

const OF_ALL_KINDS: Partial<GatewayEvent> = {
  mailboxes: [{ accountId: 'alice', headSeq: 7, entries: [], copies: [] }],
  ticks: [{ sender: DEVICE, recipientAccountId: 'bob', nos: [] }],
  replaced: [{ device: DEVICE, session: 4 }],
}

test('what is of the session’s epoch reaches it, from either subject', () => {
  const { said, publish } = gateway()
  publish('gateway.one', { epoch: 'now', ...OF_ALL_KINDS })
  expect(said).toEqual(['rung 7', 'ticked', 'end 4'])
  publish('gateways', { epoch: 'now', mailboxes: OF_ALL_KINDS.mailboxes ?? [] })
  expect(said.at(-1)).toBe('rung 7')
})

test('what is of another epoch does not', () => {
  const { said, publish } = gateway()
  publish('gateway.one', { epoch: 'before', ...OF_ALL_KINDS })
  expect(said).toEqual([])
})

test('an older session that was opened elsewhere ends none', () => {
  const { said, publish } = gateway()
  publish('gateway.one', { epoch: 'now', replaced: [{ device: DEVICE, session: 3 }] })
  expect(said).toEqual([])
})

test('a Resync reaches every session', () => {
  const { said, publish } = gateway()
  publish('gateways', { resync: true })
  expect(said).toEqual(['resync'])
})

test('after the bus was away every session is compared, and told to ask', () => {
  const { said, isBack } = gateway()
  isBack()
  expect(said).toEqual(['compared', 'resync'])
})

test('an entry that several mailboxes have is put together again, in its place', () => {
  // Goal: with its own seq, and not at all where its content is missing: then it is fetched.
  const { pushed, publish } = gateway()
  const envelopeOf = (no: number) => ({
    ...{ sender: DEVICE, no, to: undefined, type: 1 as const },
    ...{ ciphertext: new Uint8Array([no]), parts: [] },
  })
  const own = (seq: number): StoredEntry => {
    return { seq, acceptedAtMs: 5, content: { $case: 'envelope', value: envelopeOf(seq) } }
  }
  const copies = [
    { seq: 6, key: 60 },
    { seq: 8, key: 80 },
    { seq: 9, key: 90 }, // not there
    { seq: 10, key: 100 }, // there, and of a kind that is not known here
  ]
  publish('gateway.one', {
    epoch: 'now',
    mailboxes: [{ accountId: 'alice', headSeq: 10, entries: [own(5), own(7)], copies }],
    contents: [
      { key: 80, acceptedAtMs: 5, envelope: envelopeOf(8) },
      { key: 60, acceptedAtMs: 5, envelope: envelopeOf(6) },
      { key: 100, acceptedAtMs: 5, envelope: undefined },
    ],
  })
  expect(pushed.map(({ seq }) => seq)).toEqual([5, 6, 7, 8])
  for (const { seq, acceptedAtMs, content } of pushed) {
    expect([acceptedAtMs, content?.$case === 'envelope' && content.value.no]).toEqual([5, seq])
  }
})
