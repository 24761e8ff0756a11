// Goal: key packages: each is handed out once, also where its publication is repeated, and every
// refusal of theirs.

import { RefusalCode } from '@twotick/protocol'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startDirectory, type TestDevice, type TestDirectory } from './directory.ts'

let directory: TestDirectory
let alice: TestDevice
let bob: TestDevice
let carol: TestDevice
let dave: TestDevice

beforeAll(async () => {
  directory = await startDirectory()
  alice = await directory.account('alice')
  bob = await directory.account('bob')
  carol = await directory.account('carol')
})

beforeEach(async () => {
  dave = await directory.account()
})

afterAll(() => directory.close())

const DONE = { $case: 'done' }
const refusal = (code: RefusalCode) => ({ $case: 'refusal', value: { code } })

function publish(device: TestDevice, packages: readonly (Uint8Array | string)[]) {
  const value = { packages: packages.map((one) => Buffer.from(one as string)) }
  return directory.answer(device, { $case: 'publishKeyPackages', value })
}

async function take(asker: TestDevice, of: TestDevice) {
  const value = { accountId: of.address.accountId }
  const body = await directory.answer(asker, { $case: 'takeKeyPackages', value })
  if (body?.$case !== 'keyPackages') return body
  return body.value.packages.map((one) => ({
    deviceId: one.address?.deviceId,
    text: Buffer.from(one.package).toString(),
  }))
}

/** What a device has left, oldest first. */
async function kept({ address }: TestDevice): Promise<string[]> {
  const rows = await directory.sql(
    `select convert_from(package, 'utf8') as text from directory.key_package
      where account_id = $1 and device_id = $2 order by package_no`,
    [address.accountId, address.deviceId],
  )
  return rows.map(({ text }) => text as string)
}

/** So many packages, no two alike. */
const some = (count: number, name = 'key') => Array.from({ length: count }, (_, at) => name + at)

test('goal: each is handed out once, oldest first, one a device', async () => {
  const companion = await directory.companion(dave)
  await publish(dave, ['a', 'b', 'c'])
  await publish(dave, ['d'])
  await publish(companion, ['x'])
  expect(await take(alice, dave)).toEqual([
    { deviceId: 1, text: 'a' },
    { deviceId: 2, text: 'x' },
  ])
  const taken = await Promise.all([take(alice, dave), take(bob, dave), take(carol, dave)])
  const texts = taken.flatMap((packages) =>
    Array.isArray(packages) ? packages.filter(({ deviceId }) => deviceId === 1) : [],
  )
  expect(texts.map(({ text }) => text).toSorted()).toEqual(['b', 'c', 'd'])
  expect(await take(dave, dave)).toEqual([{ deviceId: 2, text: '' }])
  expect(
    await take(alice, {
      ...dave,
      address: { ...dave.address, accountId: randomUUID() as never },
    }),
  ).toMatchObject(refusal(RefusalCode.NOT_FOUND))
})

test('goal: at most a hundred are kept, of 4 KiB each; an unlink removes them', async () => {
  const companion = await directory.companion(dave)
  expect(await publish(companion, [Buffer.alloc(4_097, 7)])).toMatchObject(
    refusal(RefusalCode.INVALID_REQUEST),
  )
  expect(await publish(companion, [''])).toMatchObject(refusal(RefusalCode.INVALID_REQUEST))
  expect(await publish(companion, some(101))).toMatchObject(refusal(RefusalCode.LIMIT_REACHED))
  const large = some(60).map((text) => text.padEnd(4_096))
  expect(await publish(companion, large)).toMatchObject(DONE)
  expect(await publish(companion, some(41))).toMatchObject(refusal(RefusalCode.LIMIT_REACHED))
  expect(await publish(companion, some(40))).toMatchObject(DONE)
  expect(await kept(companion)).toEqual([...large, ...some(40)])
  await directory.answer(dave, { $case: 'unlinkDevice', value: { deviceId: 2 } })
  expect(await kept(companion)).toEqual([])
})

test('goal: a publication that is repeated adds nothing, also where one is taken', async () => {
  await publish(dave, ['a', 'b'])
  expect(await take(alice, dave)).toEqual([{ deviceId: 1, text: 'a' }])
  const repetitions = await Promise.all([publish(dave, ['a', 'b']), publish(dave, ['a', 'b'])])
  expect(repetitions).toMatchObject([DONE, DONE])
  expect(await kept(dave)).toEqual(['b'])
  expect(await take(bob, dave)).toEqual([{ deviceId: 1, text: 'b' }])
  await publish(dave, ['a', 'b'])
  expect(await take(carol, dave)).toEqual([{ deviceId: 1, text: '' }])
})

test('goal: publications that come twice at the same moment are one', async () => {
  await Promise.all([publish(dave, ['a', 'b']), publish(dave, ['a', 'b'])])
  expect(await kept(dave)).toEqual(['a', 'b'])
})

test('goal: a repetition is answered as before where there is no place for more', async () => {
  await publish(dave, some(40, 'early'))
  await publish(dave, some(60))
  expect(await publish(dave, some(60))).toMatchObject(DONE)
  expect(await kept(dave)).toHaveLength(100)
  expect(await publish(dave, ['new'])).toMatchObject(refusal(RefusalCode.LIMIT_REACHED))
  await take(alice, dave)
  // What was refused was not published.
  expect(await publish(dave, ['new'])).toMatchObject(DONE)
  expect((await kept(dave)).at(-1)).toBe('new')
})

test('goal: all that a device may have without an answer may be repeated', async () => {
  const publications = some(16).map((text) => [text])
  for (const packages of publications) await publish(dave, packages)
  for (const [text] of publications)
    expect(await take(alice, dave)).toEqual([{ deviceId: 1, text }])
  for (const packages of publications) expect(await publish(dave, packages)).toMatchObject(DONE)
  expect(await kept(dave)).toEqual([])
  await publish(dave, ['one more'])
  const noted = await directory.sql(
    'select cardinality(digests) as count from directory.publication where account_id = $1',
    [dave.address.accountId],
  )
  expect(noted).toEqual([{ count: 16 }])
})

test('goal: a new publication is added, without what is there already or is in it twice', async () => {
  await publish(dave, ['a', 'b'])
  await publish(dave, ['c', 'a', 'c', 'd'])
  expect(await kept(dave)).toEqual(['a', 'b', 'c', 'd'])
  // The same bytes, divided otherwise.
  await publish(dave, ['ab'])
  expect(await kept(dave)).toEqual(['a', 'b', 'c', 'd', 'ab'])
})

test('goal: two devices of one account may publish the same', async () => {
  const companion = await directory.companion(dave)
  await publish(dave, ['a'])
  await publish(companion, ['a'])
  expect(await kept(companion)).toEqual(['a'])
})
