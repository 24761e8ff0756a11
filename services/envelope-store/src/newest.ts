// A busy row by its key, its newest version first. While somebody holds a transaction open, nothing
// that it could see is vacuumed: after five minutes a mailbox had thousands of versions, on 1,200
// pages. An equality visits them all, the oldest first: 56 ms. The range of that one key, read
// backwards, begins with what was written last, and ends with the first that is visible: 0.2 ms. (That
// no unique index looks through them at each update is by 0003-keys.sql.)

const newestOf = (table: string, keys: readonly string[], ending = '') => {
  const [own, wanted] = ['x', 'd'].map((of) => keys.map((key) => `${of}.${key}`).join(', '))
  const order = keys.map((key) => `x.${key} desc`).join(', ')
  return `lateral (
      select x.ctid, x.* from ${table} x
       where (${own}) >= (${wanted}) and (${own}) <= (${wanted})
         /* on Citus: and x.account_id = any($1::uuid[]) */
       order by ${order} limit 1 ${ending})`
}

const MAILBOX = ['mailbox.mailbox', ['account_id']] as const
const SENDER = ['mailbox.sender', ['account_id', 'device_id']] as const

/** For a statement's `from d cross join …`, where `d` has the key and `$1` are all its accounts. */
export const newestMailbox = newestOf(...MAILBOX)
export const newestSender = newestOf(...SENDER)

/** Likewise, and locks it. */
export const lockedMailbox = newestOf(...MAILBOX, 'for update')
export const lockedSender = newestOf(...SENDER, 'for update')
