import { EnvelopeType, RefusalCode, Up } from '@twotick/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Codec } from './codec.ts'
import { encode } from './encode.ts'
import { RefusedError } from './errors.ts'
import type { Rosters } from './rosters.ts'
import type { Draft } from './sender.ts'

const FRAME_BYTES_MAX = 96 * 1024
const accountId = '00000000-0000-4000-8000-00000000000a'
const to = { account: accountId }
const own = { accountId: '00000000-0000-4000-8000-00000000000b', deviceId: 1 }
const base = { to, type: EnvelopeType.MESSAGE, lifetimeS: 0, deviceIds: [] }

const rosters = {
  get: () => Promise.resolve({ version: 1, devices: [], members: [{ accountId, dormant: false }] }),
} as unknown as Rosters

/** A codec that makes parts of these sizes; or one ciphertext, where there is only one. */
function codecOf(sizes: readonly number[]): Codec {
  const parts = sizes.map((size) => ({
    address: { accountId, deviceId: 2 ** 32 - 1 },
    ciphertext: new Uint8Array(size),
  }))
  return {
    perDevice: parts.length !== 1,
    encrypts: false,
    encode: () => (parts.length === 1 && parts[0] ? parts[0] : { parts }),
    decode: () => ({ body: new Uint8Array() }),
  }
}

function encodeSizes(sizes: readonly number[]) {
  const content = { body: new Uint8Array() }
  return encode({ ...base, content }, { own, rosters, codec: codecOf(sizes) })
}

function frameOf({ tag, payload }: Draft): Uint8Array {
  const most = { no: Number.MAX_SAFE_INTEGER, prevNo: Number.MAX_SAFE_INTEGER }
  const rest = { rosterVersion: Number.MAX_SAFE_INTEGER, lifetimeS: 2 ** 32 - 1 }
  const destination = { to: { $case: 'accountId', value: accountId } } as const
  const { ciphertext, parts } = payload
  const value = { ...base, ...most, ...rest, tag, to: destination, ciphertext, parts: [...parts] }
  return Up.encode({ frame: { $case: 'send', value } }).finish()
}

test('what is encoded fits a frame, whatever its number; what does not is refused', async () => {
  // Goal: no send gets a number that would end every connection on which it is sent.
  const size = fc.oneof(fc.nat(2_000), fc.integer({ min: 90_000, max: 100_000 }))
  await fc.assert(
    fc.asyncProperty(fc.array(size, { maxLength: 60 }), async (sizes) => {
      const draft = await encodeSizes(sizes).catch((error: unknown) => error)
      if (draft instanceof RefusedError) {
        expect(draft.code).toBe(RefusalCode.TOO_LARGE)
        expect(sizes.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(64 * 1024)
      } else {
        expect(frameOf(draft as Draft).length).toBeLessThanOrEqual(FRAME_BYTES_MAX)
      }
    }),
  )
})

test('a device that was linked since the roster was kept gets what is sent to it again', async () => {
  // Goal: a device is gone only if the directory says so.
  const members = [{ accountId, dormant: false }]
  const rosterOf = (...ids: number[]) => ({
    version: ids.length,
    members,
    devices: ids.map((deviceId) => ({ accountId, deviceId })),
  })
  let fetched = 0
  const grown = {
    get: () => Promise.resolve(rosterOf(1)),
    fetch: () => {
      fetched += 1
      return Promise.resolve(rosterOf(1, 2))
    },
  } as unknown as Rosters
  const content = { body: new Uint8Array() }
  const sendTo = (...deviceIds: number[]) =>
    encode({ ...base, content, deviceIds }, { own, rosters: grown, codec: codecOf([1]) })
  expect((await sendTo(1))?.rosterVersion).toBe(1)
  expect(fetched).toBe(0)
  expect((await sendTo(2))?.payload.parts).toMatchObject([
    { address: { deviceId: 1 }, ciphertext: { length: 0 } },
    { address: { deviceId: 2 }, ciphertext: { length: 1 } },
  ])
  expect(await sendTo(3)).toBeUndefined()
})
