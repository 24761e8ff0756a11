// pg's client, with three things of our own.
//
// Each query has its callback from the beginning. pg itself assigns it later (`query.callback = …`),
// and a function that is written down as the value of a property's assignment V8 makes in the old
// generation. From there it keeps what its query has met alive, values and rows, until a whole
// collection; under load there was one every second.
//
// What is asked in one turn can be one question (postgres-together.ts).
//
// And it knows whether it has answered since another one of its pool did not (postgres-pool.ts).

import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import pg from 'pg'
import { type Shapes, Together, TogetherQuery } from './postgres-together.ts'

type Callback = (error: Error | null, result?: unknown) => void

// What pg's client has, and its types do not.
interface Inside {
  readonly connection: { readonly stream: Duplex }
  /** False once the connection has broken. */
  readonly _queryable: boolean
}

/**
 * The clients of one pool. A query that is not answered in time fails with `Query read timeout`, and
 * its connection with it: the late answer would be taken for the next query's.
 */
export function clientsWithin(queryTimeoutMs: number) {
  // How often a question to any of them was left without an answer.
  let silences = 0
  return class extends pg.Client {
    #together: Together | undefined
    readonly #shapes: Shapes = new Map()
    #answeredAfter = silences

    /** Whether it has answered since the last silence. */
    get isTrusted(): boolean {
      return this.#answeredAfter === silences
    }

    hasAnswered(): void {
      this.#answeredAfter = silences
    }

    /** Without a goodbye, which would wait for as long as nobody takes it. */
    abandon(): void {
      inside(this).connection.stream.destroy()
    }

    /** Until this turn ends, what is asked is one question. */
    together(): void {
      if (this.#together !== undefined) return
      const together = new Together()
      this.#together = together
      process.nextTick(() => {
        this.#together = undefined
        if (!together.isEmpty) super.query(together as unknown as pg.Submittable)
      })
    }

    override query(asked: unknown, ...more: unknown[]): never {
      const values = more.find(Array.isArray)
      const config = typeof asked === 'string' ? { text: asked } : (asked as object)
      assert(!('submit' in config), 'a cursor has no time to be answered in')
      const callback = more.find((part): part is Callback => typeof part === 'function')
      const submit = (callback: Callback) => {
        const whole = { ...config, ...(values && { values }), callback }
        this.#submit(whole)
      }
      if (callback !== undefined) return this.#within(submit, callback) as never
      return new Promise((resolve, reject) => {
        this.#within(submit, (error, result) => (error ? reject(error) : resolve(result)))
      }).catch((error: Error) => {
        Error.captureStackTrace(error) // one that leads to who has asked, as pg's own does
        throw error
      }) as never
    }

    #submit(whole: object): void {
      if (this.#together === undefined) super.query(new pg.Query(whole as pg.QueryConfig))
      else this.#together.add(new TogetherQuery(whole, this, this.#shapes))
    }

    #within(submit: (callback: Callback) => void, callback: Callback): void {
      let late: Error | undefined
      const timer = setTimeout(() => {
        late = new Error('Query read timeout')
        // pg then tells every query of the connection, and the pool, that it has ended.
        inside(this).connection.stream.destroy(late)
      }, queryTimeoutMs)
      submit((error, result) => {
        clearTimeout(timer)
        if (error && !inside(this)._queryable) silences += 1
        else this.hasAnswered()
        callback(late ?? error, result)
      })
    }
  }
}

function inside(client: pg.Client): Inside {
  return client as unknown as Inside
}
