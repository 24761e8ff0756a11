// Several queries as one question: their messages, and one Sync behind all of them.
//
// Postgres sends its answers at each Sync. With one for each query whoever waits is woken for each of
// them: ten times in a transaction that is two questions. The price: what stands behind a query that
// fails is not looked at, and fails for the same reason. It is for transactions that have begun: without
// one, all of it would be one, and an answer would not be its end.

import type { Duplex } from 'node:stream'
import pg from 'pg'
import { prepareValue } from 'pg/lib/utils.js'

// What pg's queries and connections have, and its types do not.
interface Connection {
  readonly stream: Duplex
  /** Those on their way, by name. */
  readonly submittedNamedStatements: Record<string, string | undefined>
  parse(statement: { name: string; text: string }): void
  bind(portal: {
    statement: string
    values: unknown[] | undefined
    valueMapper: (value: unknown) => unknown
  }): void
  describe(what: { type: 'P' }): void
  execute(portal: object): void
  sync(): void
}

/** How the rows of a statement are read. */
interface Shape {
  fields: unknown
  _parsers: unknown
  _prebuiltEmptyResultObject: unknown
}

interface PgQuery {
  name: string
  text: string
  values: unknown[] | undefined
  _result: Shape & { _types: unknown }
  _accumulateRows: boolean
  hasBeenParsed(connection: Connection): boolean
  submit(connection: Connection): Error | null
  handleRowDescription(message: unknown): void
  handleDataRow(message: unknown): void
  handleCommandComplete(message: unknown, connection: Connection): void
  handleEmptyQuery(connection: Connection): void
  handleReadyForQuery(connection: Connection): void
  handleError(error: Error, connection: Connection): void
}

const PgQuery = pg.Query as unknown as new (config: object) => PgQuery

/** Of a connection's prepared statements, by name. */
export type Shapes = Map<string, Shape>

/** One of several. */
export class TogetherQuery extends PgQuery {
  readonly #shapes: Shapes

  constructor(config: object, client: pg.Client, shapes: Shapes) {
    super({ ...config, queryMode: 'extended' })
    this._result._types = (client as unknown as { _types: unknown })._types
    this.#shapes = shapes
  }

  /** As pg's own, without the Sync; and what is known is not asked again. */
  prepare(connection: Connection): void {
    const { name, text, values } = this
    if (!this.hasBeenParsed(connection)) {
      connection.parse({ name, text })
      if (name) connection.submittedNamedStatements[name] = text
    }
    connection.bind({ statement: name, values, valueMapper: prepareValue })
    const shape = this.#shapes.get(name)
    if (shape === undefined) connection.describe({ type: 'P' })
    else this.#take(shape)
    connection.execute({})
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    super.handleCommandComplete(message, connection)
    if (!this.name || this.#shapes.has(this.name)) return
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result
    this.#shapes.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject })
  }

  #take({ fields, _parsers, _prebuiltEmptyResultObject }: Shape): void {
    const result = this._result
    result.fields = fields
    result._parsers = _parsers
    result._prebuiltEmptyResultObject = _prebuiltEmptyResultObject
    this._accumulateRows = true
  }
}

/** What pg takes for one query: it hands on what is said, each to whom it is for. */
export class Together extends PgQuery {
  readonly #queries: TogetherQuery[] = []
  #answered = 0

  constructor() {
    super({ text: '' })
  }

  get isEmpty(): boolean {
    return this.#queries.length === 0
  }

  add(query: TogetherQuery): void {
    this.#queries.push(query)
  }

  override submit(connection: Connection): Error | null {
    const { stream } = connection
    stream.cork()
    try {
      for (const query of this.#queries) {
        const error = query.submit(connection)
        if (error !== null) throw error
      }
      connection.sync()
    } catch (error) {
      // A part of them may have gone out, and would be answered.
      stream.destroy(error as Error)
    }
    stream.uncork()
    this.#goOn()
    return null
  }

  override handleRowDescription(message: unknown): void {
    this.#current?.handleRowDescription(message)
  }

  override handleDataRow(message: unknown): void {
    this.#current?.handleDataRow(message)
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    this.#current?.handleCommandComplete(message, connection)
    this.#answered += 1
    this.#goOn()
  }

  override handleEmptyQuery(): void {
    this.#answered += 1
    this.#goOn()
  }

  override handleReadyForQuery(connection: Connection): void {
    for (const query of this.#queries) query.handleReadyForQuery(connection)
  }

  override handleError(error: Error, connection: Connection): void {
    for (const query of this.#queries.slice(0, this.#answered)) {
      query.handleReadyForQuery(connection)
    }
    // Backwards: the error's stack leads to who is told last.
    for (const query of this.#queries.slice(this.#answered).reverse()) {
      // Postgres has not parsed what it did not look at.
      connection.submittedNamedStatements[query.name] = undefined
      query.handleError(error, connection)
    }
  }

  get #current(): TogetherQuery | undefined {
    return this.#queries[this.#answered]
  }

  /** By these two pg knows what has been parsed. */
  #goOn(): void {
    const current = this.#current
    if (current === undefined) return
    this.name = current.name
    this.text = current.text
  }
}
