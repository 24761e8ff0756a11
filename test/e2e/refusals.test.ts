// Goal: each kind of bad input gets its own code, stores nothing, and ends the connection only where
// the frame or the ack itself was malformed.

import { randomUUID } from 'node:crypto'
import { RefusalCode, type Send, Up } from '@twotick/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  helloRaw,
  newKeys,
  openRaw,
  type RawDevice,
  type RawSession,
  registerRaw,
  sendTo,
} from '../raw-device.ts'
import { type Relay, startRelay } from '../relay.ts'

let relay: Relay
let alice: RawDevice
let bob: RawDevice

beforeAll(async () => {
  relay = await startRelay({
    env: { 'metadata-validation': { TWOTICK_CLIENT_VERSION_MINIMUM: '0.9' } },
  })
  alice = await registerRaw(relay.url, 'alice')
  bob = await registerRaw(relay.url, 'bob')
})

afterAll(async () => {
  await relay.stop()
})

async function entryCount(): Promise<number> {
  const [row] = await relay.sql('select count(*)::int as n from mailbox.entry')
  return Number(row?.['n'])
}

/** Sends something wrong, then something right on the same session, which must be stored. */
async function refusedThenStored(wrong: Partial<Send>): Promise<RefusalCode> {
  const session = await openRaw(alice)
  const before = await entryCount()
  const sent = session.welcome.sentNo
  const send = { ...sendTo(bob.address.accountId, sent + 1, sent), ...wrong }
  session.send({ $case: 'send', value: send })
  const rejected = await session.take('rejected')
  expect(rejected.no).toBe(sent + 1)
  expect(await entryCount()).toBe(before)

  session.send({ $case: 'send', value: sendTo(bob.address.accountId, sent + 2, sent) })
  const stored = await session.take('stored')
  expect(stored.lastNo).toBe(sent + 2)
  session.close()
  return rejected.code
}

describe('a send', () => {
  it('of an unknown type', async () => {
    expect(await refusedThenStored({ type: 99 as Send['type'] })).toBe(RefusalCode.UNKNOWN_TYPE)
  })

  it('that is larger than its type may be', async () => {
    const ciphertext = new Uint8Array(5_000)
    expect(await refusedThenStored({ type: 3, ciphertext })).toBe(RefusalCode.TOO_LARGE)
  })

  it('that wants to live longer than its type may', async () => {
    const wrong = { type: 4, lifetimeS: 3_600 } as const
    expect(await refusedThenStored(wrong)).toBe(RefusalCode.LIFETIME_OUT_OF_BOUNDS)
  })

  it('to nobody', async () => {
    const to: Send['to'] = { to: { $case: 'accountId', value: randomUUID() } }
    expect(await refusedThenStored({ to })).toBe(RefusalCode.UNKNOWN_RECIPIENT)
  })

  it('to a conversation of others', async () => {
    const to: Send['to'] = { to: { $case: 'conversationId', value: randomUUID() } }
    expect(await refusedThenStored({ to, rosterVersion: 1 })).toBe(RefusalCode.NOT_A_MEMBER)
  })

  it('with an old picture of the recipient', async () => {
    expect(await refusedThenStored({ rosterVersion: 999_999 })).toBe(RefusalCode.ROSTER_STALE)
  })

  it('that leaves a gap', async () => {
    expect(await refusedThenStored({ prevNo: 777_777_777 })).toBe(RefusalCode.OUT_OF_ORDER)
  })
})

describe('a handshake', () => {
  it('with a version that policy does not accept', async () => {
    const connection = await helloRaw(alice, { clientVersion: '0.8.9' })
    expect((await connection.take('refused')).code).toBe(RefusalCode.UPGRADE_REQUIRED)
    await connection.closed
  })

  it('with a signature by another key, and of a device that does not exist, looks the same', async () => {
    const forged = await helloRaw(alice, { keys: await newKeys() })
    const refusal = await forged.take('refused')
    expect(refusal.code).toBe(RefusalCode.UNAUTHENTICATED)
    const nobody = { ...alice, address: { accountId: randomUUID(), deviceId: 1 } }
    const unknown = await helloRaw(nobody)
    expect(await unknown.take('refused')).toEqual(refusal)
    await Promise.all([forged.closed, unknown.closed])
  })
})

describe('a connection ends', () => {
  async function endsWith(session: RawSession, code: RefusalCode): Promise<void> {
    const before = await entryCount()
    expect((await session.take('goodbye')).code).toBe(code)
    await session.closed
    expect(await entryCount()).toBe(before)
  }

  it('upon bytes that are no frame', async () => {
    const session = await openRaw(alice)
    session.sendBytes(Uint8Array.of(0xff, 0xff, 0xff, 0xff))
    await endsWith(session, RefusalCode.MALFORMED)
  })

  it('upon a frame of the handshake after it', async () => {
    const session = await openRaw(alice)
    const hello = { signature: new Uint8Array(64), clientName: '', clientVersion: '' }
    const value = { ...hello, address: alice.address, features: [], audience: '' }
    session.send({ $case: 'hello', value })
    await endsWith(session, RefusalCode.MALFORMED)
  })

  it('upon a send without a tag', async () => {
    const session = await openRaw(alice)
    const value = { ...sendTo(bob.address.accountId, 1, 0), tag: new Uint8Array(0) }
    session.send({ $case: 'send', value })
    await endsWith(session, RefusalCode.MALFORMED)
  })

  it('upon a frame larger than 96 KiB', async () => {
    const session = await openRaw(alice)
    const send = sendTo(bob.address.accountId, 1, 0)
    const value = { ...send, ciphertext: new Uint8Array(97 * 1024) }
    session.sendBytes(Up.encode({ frame: { $case: 'send', value } }).finish())
    await endsWith(session, RefusalCode.MALFORMED)
  })

  it('upon an ack beyond what was pushed', async () => {
    const session = await openRaw(bob)
    await session.take('drained')
    session.send({ $case: 'ack', value: { seq: 1_000_000, failed: [] } })
    await endsWith(session, RefusalCode.ACK_BEYOND_PUSHED)
  })
})
