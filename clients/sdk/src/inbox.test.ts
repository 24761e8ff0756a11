import { expect, test } from 'vitest'
import { EnvelopeType } from '@twotick/protocol'
import { createInbox } from './inbox.ts'
import type { Message } from './storage.ts'
import type { Turn } from './turn.ts'

const TURN: Turn = {
  put: () => undefined,
  read: () => Promise.resolve(undefined),
  after: (effect) => effect(),
}

function message(no: number): Message {
  const sender = { accountId: 'alice', deviceId: 1 }
  const to = { account: 'bob' }
  return { sender, no, to, type: EnvelopeType.MESSAGE, body: new Uint8Array(), acceptedAtMs: 1 }
}

async function microtasks(count: number): Promise<void> {
  for (let each = 0; each < count; each += 1) await undefined
}

test('whenever a message comes, it is handed out', async () => {
  // Goal: also between the last look of who hands out and his end.
  for (let apart = 0; apart <= 40; apart += 1) {
    const inbox = createInbox({
      rows: [],
      enter: async (step) => step(TURN),
      handled: () => undefined,
      failed: () => undefined,
    })
    const had: number[] = []
    inbox.handle(async ({ no }) => {
      await microtasks(7)
      had.push(no)
    })
    await microtasks(5) // what found nothing to hand out is through
    inbox.add('1', message(1))
    await microtasks(apart)
    inbox.add('2', message(2))
    await new Promise(setImmediate)
    expect(had, `${apart} microtasks apart`).toEqual([1, 2])
  }
})
