// Goal: a session is opened after the one that the gateway has seen and after no other, and for nobody
// who is gone.

import type {
  EnvelopeStoreClient,
  OpenSessionReply,
  OpenSessionRequest,
} from '@twotick/protocol/services'
import { expect, test } from 'vitest'
import { createEpochs } from './epoch.ts'
import { beginOpening } from './opening.ts'

const DEVICE = { accountId: 'alice', deviceId: 1 } as never
const OPENED = { sentNo: 0, sentTag: new Uint8Array(8), ackedSeq: 0, headSeq: 0 }
type Answer = (error: Error | null, reply?: unknown) => void

/** A sender row; `slow` holds the openings that were asked for and not carried out. */
function createStore() {
  const slow: (() => OpenSessionReply)[] = []
  const row = { session: 3 }
  const rules = { isSlow: false }

  function carryOut({ afterSession }: OpenSessionRequest): OpenSessionReply {
    const { session } = row
    if (afterSession !== session) {
      return { epoch: 'now', outcome: { $case: 'newestSession', value: session } }
    }
    row.session += 1
    return {
      epoch: 'now',
      outcome: { $case: 'opened', value: { ...OPENED, session: session + 1 } },
    }
  }

  const store = {
    getHeads(...[, , , answer]: [object, object, object, Answer]) {
      answer(null, { epoch: 'now', heads: [{ session: row.session }], refusal: undefined })
    },
    openSession(...[request, , , answer]: [OpenSessionRequest, object, object, Answer]) {
      if (!rules.isSlow) return answer(null, carryOut(request))
      slow.push(() => carryOut(request))
      answer(new Error('too late'))
    },
  } as unknown as EnvelopeStoreClient
  return { store, slow, row, rules }
}

function begin(store: EnvelopeStoreClient) {
  return beginOpening(DEVICE, {
    store,
    epochs: createEpochs(),
    answerBy: performance.now() + 1_000,
  })
}

test('an opening that was given up takes no later session its place', async () => {
  const { store, slow, row, rules } = createStore()
  rules.isSlow = true
  await expect(begin(store).open(() => false)).rejects.toThrow('too late')
  rules.isSlow = false
  expect(await begin(store).open(() => false)).toMatchObject({ session: 4 })
  for (const carryOut of slow) carryOut()
  expect(row.session).toBe(4)
})

test('where another session was opened meanwhile, it is opened after that', async () => {
  const { store, row } = createStore()
  const opening = begin(store)
  row.session = 8
  expect(await opening.open(() => false)).toMatchObject({ session: 9, epoch: 'now' })
})

test('for a device that is gone nothing is opened', async () => {
  const { store, row } = createStore()
  expect(await begin(store).open(() => true)).toBeUndefined()
  expect(row.session).toBe(3)
})
