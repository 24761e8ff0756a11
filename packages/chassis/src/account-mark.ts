// What stands for an account in a trace, where it must be told from others: never its id. The key is
// this process' own, and another one each day (UTC): what is equal is the same account, seen by one
// process on one day, and nobody can find out whose it was.

import { createHmac, randomBytes } from 'node:crypto'

const DAY_MS = 86_400_000
const CHARACTERS = 16

export function createAccountMarks(): (accountId: string, nowMs?: number) => string {
  let day = -1
  let key = Buffer.alloc(0)
  return (accountId, nowMs = Date.now()) => {
    const today = Math.floor(nowMs / DAY_MS)
    if (today !== day) key = randomBytes(32)
    day = today
    return createHmac('sha256', key).update(accountId).digest('hex').slice(0, CHARACTERS)
  }
}
