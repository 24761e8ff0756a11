import { expect, test } from 'vitest'
import { createAccountCalls } from './account.ts'
import { createDirectory } from './directory.ts'
import { StoppedError } from './errors.ts'
import type { Rosters } from './rosters.ts'

test('an account is deleted also where the end of its device is told before the answer', async () => {
  // Goal: nobody asks again for what is done; what else stops a device says nothing of it.
  for (const reason of ['unlinked', 'unauthenticated'] as const) {
    const directory = createDirectory()
    const own = { accountId: '00000000-0000-4000-8000-000000000001', deviceId: 1 }
    const calls = createAccountCalls({
      own,
      sign: () => Promise.reject(new Error('nothing is signed')),
      directory,
      rosters: {} as Rosters,
    })
    const deleted = calls.deleteAccount('alice')
    directory.stop(new StoppedError(reason))
    if (reason === 'unlinked') await deleted
    else await expect(deleted).rejects.toThrow(StoppedError)
  }
})
