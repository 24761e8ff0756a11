// Goal: a call goes on with the store's new epoch by itself, and does not do so for ever.

import { expect, test } from 'vitest'
import { RefusalCode } from '@twotick/protocol'
import { createEpoch } from './epoch.ts'

const never = new AbortController().signal
const refused = { code: RefusalCode.EPOCH_CHANGED, detail: '', retryAfterMs: 0 }

test('reads the epoch once and again only when it has changed', async () => {
  const store = { epoch: 'one', reads: 0 }
  const epoch = createEpoch(async () => {
    store.reads += 1
    return store.epoch
  })
  const ask = () =>
    epoch.with(
      never,
      async (known) => ({ known, refusal: known === store.epoch ? undefined : refused }),
      (outcome) => outcome.refusal,
    )
  expect((await ask()).known).toBe('one')
  expect((await ask()).known).toBe('one')
  expect(store.reads).toBe(1)
  store.epoch = 'two'
  expect((await ask()).known).toBe('two')
  expect(store.reads).toBe(2)
})

test('gives up where the epoch keeps changing', async () => {
  let calls = 0
  const epoch = createEpoch(async () => `epoch ${calls}`)
  const asking = epoch.with(
    never,
    async () => {
      calls += 1
    },
    () => refused,
  )
  await expect(asking).rejects.toThrow('keeps changing')
  expect(calls).toBe(3)
})

test('hands any other refusal on', async () => {
  const epoch = createEpoch(async () => 'one')
  const other = { ...refused, code: RefusalCode.NOT_FOUND }
  const outcome = await epoch.with(
    never,
    async () => 'outcome',
    () => other,
  )
  expect(outcome).toBe('outcome')
})
