import { RefusalCode } from '@twotick/protocol'
import { expect, test } from 'vitest'
import { createAccountCalls } from './account.ts'
import { createDirectory } from './directory.ts'
import { RefusedError, StoppedError } from './errors.ts'
import type { Rosters } from './rosters.ts'

function openCalls(deviceId = 1) {
  const directory = createDirectory()
  const own = { accountId: '00000000-0000-4000-8000-000000000001', deviceId }
  const calls = createAccountCalls({
    own,
    sign: () => Promise.reject(new Error('nothing is signed')),
    directory,
    rosters: {} as Rosters,
  })
  return { directory, calls }
}

test('an account is deleted also where the end of its device is told before the answer', async () => {
  // Goal: nobody asks again for what is done; what else stops a device says nothing of it.
  for (const reason of ['unlinked', 'unauthenticated'] as const) {
    const { directory, calls } = openCalls()
    const deleted = calls.deleteAccount('alice')
    directory.stop(new StoppedError(reason))
    if (reason === 'unlinked') await deleted
    else await expect(deleted).rejects.toThrow(StoppedError)
  }
})

test('a deletion whose answer was lost is done, whoever asks again', async () => {
  // Goal: the relay knows the asker no more by then, and says just that.
  for (const code of [RefusalCode.UNLINKED, RefusalCode.UNAVAILABLE]) {
    const { directory, calls } = openCalls()
    const deleted = calls.deleteAccount('alice')
    const refusal = { code, detail: '', retryAfterMs: 0 }
    directory.answered({ requestId: 1, body: { $case: 'refusal', value: refusal } })
    if (code === RefusalCode.UNLINKED) await deleted
    else await expect(deleted).rejects.toThrow(RefusedError)
  }
})

test('a companion that was unlinked has deleted nothing', async () => {
  // Goal: only the primary's end is that of its account.
  const { directory, calls } = openCalls(2)
  const deleted = calls.deleteAccount('alice')
  directory.stop(new StoppedError('unlinked'))
  await expect(deleted).rejects.toThrow(StoppedError)
})
