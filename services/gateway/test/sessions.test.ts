// Goal: who may open a session, who holds a device, and how sessions end.

import WebSocketClient from 'ws'
import { RefusalCode, signedClaim, Up } from '@twotick/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectRaw, helloRaw, newKeys, openRaw, registerRaw } from '../../../test/raw-device.ts'
import { waitFor } from '../../../test/wait.ts'
import { type RunningGateway, startWholeRelay, type WholeRelay } from './whole-relay.ts'

let relay: WholeRelay
let gateway: RunningGateway
let handles = 0

beforeAll(async () => {
  relay = await startWholeRelay({ TWOTICK_GOODBYE_MS: '200' })
  gateway = await relay.startGateway()
})

afterAll(() => relay.close())

const register = (url = gateway.url) => registerRaw(url, `device-${++handles}`)

describe('a handshake', () => {
  test('with another key is refused like one of an unknown device', async () => {
    const device = await register()
    const wrong = await helloRaw(device, { keys: await newKeys() })
    const unknown = await helloRaw({ ...device, address: { ...device.address, deviceId: 9 } })
    const refused = [await wrong.take('refused'), await unknown.take('refused')]
    expect(refused[0]).toEqual(refused[1])
    expect(refused[0]?.code).toBe(RefusalCode.UNAUTHENTICATED)
    await Promise.all([wrong.closed, unknown.closed])
  })

  test('for an audience that is not served is refused', async () => {
    const strict = await relay.startGateway({ TWOTICK_AUDIENCES: 'relay.example.org' })
    const hello = await helloRaw({ ...(await register()), url: strict.url })
    expect((await hello.take('refused')).code).toBe(RefusalCode.UNAUTHENTICATED)
    await strict.close()
  })

  test('gets a new nonce after each refusal, and the old one serves no more', async () => {
    const keys = await newKeys()
    const connection = await connectRaw(gateway.url)
    const { nonce } = await connection.take('challenge')
    const audience = new URL(gateway.url).host
    const bytes = signedClaim({ audience, nonce }, keys.publicKey) as Uint8Array<ArrayBuffer>
    const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', keys.privateKey, bytes))
    const claim = { publicKey: keys.publicKey, signature, audience }
    connection.send({ $case: 'claim', value: claim })
    expect((await connection.take('refused')).code).toBe(RefusalCode.NOT_FOUND)
    expect((await connection.take('challenge')).nonce).not.toEqual(nonce)
    connection.send({ $case: 'claim', value: claim })
    expect((await connection.take('refused')).code).toBe(RefusalCode.UNAUTHENTICATED)
    connection.close()
  })

  test('that does not come ends the connection', async () => {
    const hurried = await relay.startGateway({ TWOTICK_HANDSHAKE_MS: '100' })
    const connection = await connectRaw(hurried.url)
    expect((await connection.take('goodbye')).code).toBe(RefusalCode.SILENT)
    await connection.closed
    await hurried.close()
  })

  test('comes to a session when it is its turn, or is told when to come back', async () => {
    const slow = await relay.startGateway({ TWOTICK_OPENINGS_PER_S_MAX: '2' })
    const devices = await Promise.all(Array.from({ length: 8 }, () => register()))
    const hellos = await Promise.all(devices.map((each) => helloRaw({ ...each, url: slow.url })))
    const answers = await Promise.all(
      hellos.map((each) => Promise.race([each.take('welcome'), each.take('refused')])),
    )
    const refused = answers.filter((each) => 'code' in each)
    // One at once, two while a device may wait, and no more.
    expect(answers.length - refused.length).toBeLessThanOrEqual(3)
    expect(refused.length).toBeGreaterThanOrEqual(5)
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set([RefusalCode.UNAVAILABLE]))
    const times = refused.map(({ retryAfterMs }) => retryAfterMs)
    expect(Math.max(...times)).toBeGreaterThan(Math.min(...times) + 1_000)
    for (const each of hellos) each.close()
    await slow.close()
  })

  test('needs the subprotocol; and over HTTP there is a word of explanation', async () => {
    const socket = new WebSocketClient(gateway.url, 'something.else')
    const status = await new Promise((resolve) => {
      socket.on('unexpected-response', (_, response) => resolve(response.statusCode))
      socket.on('error', () => undefined)
    })
    expect(status).toBe(400)
    const response = await fetch(gateway.url.replace('ws:', 'http:'))
    expect(await response.text()).toContain('twotick.v1')
  })

  test('is not for everybody of one network address at once', async () => {
    const narrow = await relay.startGateway({ TWOTICK_CONNECTIONS_PER_ADDRESS_MAX: '2' })
    const two = [await connectRaw(narrow.url), await connectRaw(narrow.url)]
    const third = await connectRaw(narrow.url)
    expect((await third.take('goodbye')).code).toBe(RefusalCode.TOO_MANY_CONNECTIONS)
    two[0]?.close()
    await two[0]?.closed
    await waitFor(async () => (await connectRaw(narrow.url)).take('challenge'))
    two[1]?.close()
    await narrow.close()
  })
})

describe('a newer session', () => {
  test('of the same gateway ends the older one', async () => {
    const device = await register()
    const older = await openRaw(device)
    const newer = await openRaw(device)
    expect(newer.welcome.session).toBeGreaterThan(older.welcome.session)
    expect((await older.take('goodbye')).code).toBe(RefusalCode.REPLACED)
    await older.closed
    newer.close()
  })

  test('at another gateway ends the older one at once', async () => {
    const other = await relay.startGateway()
    const device = await register()
    const older = await openRaw(device)
    const newer = await openRaw({ ...device, url: other.url })
    expect((await older.take('goodbye')).code).toBe(RefusalCode.REPLACED)
    newer.close()
    await other.close()
  })

  test('ends the older one by reconciliation where Redis is away', async () => {
    const quick = await relay.startGateway({ TWOTICK_RECONCILE_MS: '800' })
    const device = await register()
    const older = await openRaw({ ...device, url: quick.url })
    relay.redis.pause()
    try {
      const newer = await openRaw(device)
      expect((await older.take('goodbye')).code).toBe(RefusalCode.REPLACED)
      newer.close()
    } finally {
      relay.redis.resume()
    }
    await quick.close()
  })
})

test('a silent device is pinged, and its connection ends; one that answers stays', async () => {
  const impatient = await relay.startGateway({ TWOTICK_SILENCE_MS: '600' })
  const device = await register()
  const session = await openRaw({ ...device, url: impatient.url })
  // Answered by itself, several times over.
  await waitFor(() => session.frames.filter(({ $case }) => $case === 'ping').length >= 3)
  const silent = new WebSocketClient(impatient.url, 'twotick.v1')
  await new Promise((resolve) => silent.on('close', resolve))
  expect(session.frames.some(({ $case }) => $case === 'goodbye')).toBe(false)
  session.send({ $case: 'ping', value: { number: 7 } })
  expect((await session.take('pong')).number).toBe(7)
  session.close()
  await impatient.close()
})

test('an unlinked device is told so at once', async () => {
  const device = await register()
  const session = await openRaw(device)
  const handle = `device-${handles}`
  session.send({
    $case: 'request',
    value: { requestId: 5, body: { $case: 'deleteAccount', value: { handle } } },
  })
  expect(await session.take('response')).toMatchObject({ requestId: 5, body: { $case: 'done' } })
  expect((await session.take('goodbye')).code).toBe(RefusalCode.UNLINKED)
})

test('a gateway that drains says goodbye to everybody, each with a time to come back', async () => {
  const leaving = await relay.startGateway()
  const sessions = []
  for (let count = 0; count < 5; count++) {
    sessions.push(await openRaw({ ...(await register()), url: leaving.url }))
  }
  await leaving.close()
  for (const session of sessions) {
    const { code, retryAfterMs } = await session.take('goodbye')
    expect(code).toBe(RefusalCode.GOING_AWAY)
    expect(retryAfterMs).toBeGreaterThan(0)
    await session.closed
  }
  await expect(fetch(leaving.url.replace('ws:', 'http:'))).rejects.toThrow()
})

describe('a malformed frame ends the session', () => {
  const empty = new Uint8Array()
  const tag = new Uint8Array(8)
  const account = '00000000-0000-4000-8000-000000000001'
  const toAccount = { to: { $case: 'accountId' as const, value: account } }
  const plain = { no: 1, prevNo: 0, tag, to: toAccount, rosterVersion: 0, type: 1 as const }
  const send = { ...plain, lifetimeS: 0, ciphertext: empty, parts: [] }
  const part = { address: { accountId: account, deviceId: 1 }, ciphertext: empty }
  const encode = (frame: Up['frame']) => Up.encode({ frame }).finish()
  const query = { queryId: 1, recipientAccountId: account }
  const challengeAgain = { $case: 'claim' as const, value: { publicKey: empty, signature: empty } }
  const cases: [string, Uint8Array][] = [
    ['no frame at all', Uint8Array.of(255, 255, 255)],
    ['an empty one', empty],
    [
      'a frame of the handshake',
      encode({ ...challengeAgain, value: { ...challengeAgain.value, audience: '' } }),
    ],
    ['a frame larger than 96 KiB', new Uint8Array(96 * 1024 + 1)],
    ['a send without a number', encode({ $case: 'send', value: { ...send, no: 0 } })],
    ['a send without a tag', encode({ $case: 'send', value: { ...send, tag: empty } })],
    ['a send to nobody', encode({ $case: 'send', value: { ...send, to: undefined } })],
    [
      'a send to what is no account',
      encode({ $case: 'send', value: { ...send, to: { to: { $case: 'accountId', value: 'x' } } } }),
    ],
    [
      'a send with a part for no device',
      encode({ $case: 'send', value: { ...send, parts: [{ ...part, address: undefined }] } }),
    ],
    [
      'a send with a ciphertext and parts',
      encode({ $case: 'send', value: { ...send, ciphertext: tag, parts: [part] } }),
    ],
    [
      'an ack with too many failures',
      encode({ $case: 'ack', value: { seq: 0, failed: Array<number>(257).fill(1) } }),
    ],
    [
      'a status query with too many items',
      encode({ $case: 'statusQuery', value: { ...query, items: Array(257).fill({ no: 1, tag }) } }),
    ],
    [
      'a signal that is too large',
      encode({ $case: 'signal', value: { accountId: account, ciphertext: new Uint8Array(1_025) } }),
    ],
  ]

  test.each(cases)('%s', async (_, bytes) => {
    const session = await openRaw(await register())
    session.sendBytes(bytes)
    expect((await session.take('goodbye')).code).toBe(RefusalCode.MALFORMED)
    await session.closed
  })

  test('an ack beyond what was pushed has a code of its own', async () => {
    const session = await openRaw(await register())
    session.send({ $case: 'ack', value: { seq: 1, failed: [] } })
    expect((await session.take('goodbye')).code).toBe(RefusalCode.ACK_BEYOND_PUSHED)
  })

  test('a send before the handshake', async () => {
    const connection = await connectRaw(gateway.url)
    connection.sendBytes(encode({ $case: 'send', value: send }))
    expect((await connection.take('goodbye')).code).toBe(RefusalCode.MALFORMED)
  })

  test('a send that is merely refused does not', async () => {
    const session = await openRaw(await register())
    session.send({ $case: 'send', value: { ...send, ciphertext: tag } })
    expect((await session.take('rejected')).code).toBe(RefusalCode.UNKNOWN_RECIPIENT)
    session.send({ $case: 'ping', value: { number: 1 } })
    await session.take('pong')
    session.close()
  })
})
