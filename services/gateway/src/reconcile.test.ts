// Goal: what the store says of a device is used for a session of the same history, and for no other.

import { createLog } from '@twotick/chassis'
import type { EnvelopeStoreClient, GetHeadsReply, Head } from '@twotick/protocol/services'
import { expect, test, vi } from 'vitest'
import type { LiveSession } from './connection.ts'
import { createEpochs } from './epoch.ts'
import { createEvents } from './events.ts'
import { reconcile } from './reconcile.ts'
import { createRegistry } from './registry.ts'

type Answer = (error: null, reply: GetHeadsReply) => void

const HEAD: Head = { hasCursor: true, headSeq: 7, ackedSeq: 5, session: 3 }

/** What a live session of `epoch` hears when the store, in epoch `now`, answers `head`. */
async function compared(epoch: string, head: Partial<Head>): Promise<string[]> {
  const said: string[] = []
  const session = {
    device: { accountId: 'alice', deviceId: 1 },
    number: 3,
    epoch,
    rung: (headSeq: number) => said.push(`rung ${headSeq}`),
    end: ({ code }: { code: number }) => said.push(`end ${code}`),
  } as unknown as LiveSession
  const registry = createRegistry()
  registry.enter(session)
  const reply: GetHeadsReply = { epoch: 'now', heads: [{ ...HEAD, ...head }], refusal: undefined }
  const getHeads = vi.fn((...[, , , answer]: [object, object, object, Answer]) => {
    setImmediate(answer, null, reply)
    return { cancel: () => undefined }
  })
  const store = { getHeads } as unknown as EnvelopeStoreClient
  const stop = new AbortController()
  const events = createEvents(createLog('gateway'))
  const parts = { registry, store, epochs: createEpochs(), events }
  const reconciliation = reconcile(parts, { reconcileMs: 80, signal: stop.signal })
  reconciliation.soon()
  await vi.waitFor(() => expect(getHeads).toHaveBeenCalledTimes(2))
  stop.abort()
  await reconciliation.ended
  return [...new Set(said)]
}

test('a session that is behind hears of the head', async () => {
  expect(await compared('now', {})).toEqual(['rung 7'])
})

test('one that is not the newest was replaced; one without a cursor was unlinked', async () => {
  expect(await compared('now', { session: 4 })).toEqual(['end 4'])
  expect(await compared('now', { hasCursor: false })).toEqual(['end 5'])
})

test('heads of another epoch say nothing about it', async () => {
  // It ends with EPOCH_CHANGED, which brings its device back; REPLACED would stop that for good.
  expect(await compared('before', { session: 4 })).toEqual([])
  expect(await compared('before', { hasCursor: false })).toEqual([])
  expect(await compared('before', {})).toEqual([])
})
