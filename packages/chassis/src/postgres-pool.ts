// A pool that does not lend what may lead nowhere.
//
// The connections to a host that has vanished without a word stay as they are: that it is gone is
// learned only by a question, and by the time that it has to be answered in. pg's pool lends last what
// came back first, so each of its idle connections would cost the next who asks that time, one after
// the other. So where one of them has met silence, those that have not answered since are thrown away
// instead of lent. Nothing is asked to find out.

import pg from 'pg'
import { clientsWithin } from './postgres-client.ts'

type Client = pg.PoolClient & InstanceType<ReturnType<typeof clientsWithin>>
type Lend = Parameters<typeof pg.Pool.prototype.connect>[0]

export class Pool extends pg.Pool {
  constructor(queryTimeoutMs: number, config: pg.PoolConfig) {
    super({ ...config, Client: clientsWithin(queryTimeoutMs) })
    this.on('connect', (client) => (client as Client).hasAnswered())
  }

  override connect(): Promise<pg.PoolClient>
  override connect(lend: Lend): void
  /** pg's own `query` comes through here, too. */
  override connect(lend?: Lend): Promise<pg.PoolClient> | void {
    if (lend !== undefined) return this.#lend(lend)
    return new Promise<pg.PoolClient>((resolve, reject) => {
      this.#lend((error, client) =>
        client === undefined ? reject(error as Error) : resolve(client),
      )
    }).catch((error: Error) => {
      Error.captureStackTrace(error) // one that leads to who has asked, as pg's own does
      throw error
    })
  }

  #lend(lend: Lend): void {
    super.connect((error, client, release) => {
      if (client === undefined || (client as Client).isTrusted) return lend(error, client, release)
      ;(client as Client).abandon()
      release(true)
      // Ends: there is one fewer now, and a new one is trusted.
      this.#lend(lend)
    })
  }
}
