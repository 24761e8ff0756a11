import { NoticeKind, type OutgoingMessage } from '@twotick/sdk'
import { expect, test } from 'vitest'
import { whoHasIt } from './reach.ts'

const delivered = { at: 'delivered' } as const
const waiting = { at: 'waiting', attemptNo: 1 } as const
const closed = { at: 'closed', kind: NoticeKind.EXPIRED } as const

function textOf(reach: OutgoingMessage['reach']): Promise<string | undefined> {
  return whoHasIt({ reach }, { of: async (accountId) => accountId })
}

test('says how many have a message, who has not, and who never will', async () => {
  // Goal: a group of which some have it is not shown as one of which nobody has.
  expect(await textOf({ ann: waiting, bob: waiting })).toBeUndefined()
  expect(await textOf({ ann: delivered, bob: waiting })).toBe('1 of 2 has it; not yet: bob')
  expect(await textOf({ ann: delivered, bob: delivered, cy: waiting, dan: closed })).toBe(
    '2 of 4 have it; not yet: cy; never: dan',
  )
})

test('names no more than fit a line', async () => {
  // Goal: a large group is one line too.
  const others = Object.fromEntries([...'bcdefgh'].map((name) => [name, waiting]))
  expect(await textOf({ a: delivered, ...others })).toBe(
    '1 of 8 has it; not yet: b, c, d, e, f and 2 more',
  )
})
