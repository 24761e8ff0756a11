// Entries by their key, whatever the statistics say. Everything is delivered and gone at most moments
// when the table is analyzed, so Postgres believes that there are no entries, and goes through the
// index of all there are, and of all that were removed since the last vacuum, to find a single one. A
// lateral subquery that ends with `offset 0` is not merged into the join: it is run for each row on
// its left.

/** For a statement's `from d cross join …`, where `$1` are all accounts: the entries that it names. */
export const entriesOf = (condition: string) => `lateral (
      select x.ctid, x.* from mailbox.entry x
       where ${condition} /* on Citus: and x.account_id = any($1::uuid[]) */
      offset 0)`

/** The entry at `d.account_id` and `d.seq`. */
export const entryAt = entriesOf('x.account_id = d.account_id and x.seq = d.seq')

/** The entries of a mailbox `m` above its `after_seq`, in a statement that may concern all shards. */
export const entriesOfMailbox = `lateral (
      select x.* from mailbox.entry x
       where x.account_id = m.account_id and x.seq > m.after_seq
       /* not on Citus: */ offset 0 /* . */)`
