// Standard output, for what must not be lost: a message counts as received once its line is out.

import { getSystemErrorMessage } from 'node:util'
import type { Terminal } from './screen.ts'

/** Standard output is closed or full, and what was to be written there is not out. */
export class OutputError extends Error {
  /** Whoever read it has gone, as `head` does when it has enough. */
  readonly isClosed: boolean

  constructor(cause: NodeJS.ErrnoException) {
    super(cause.errno === undefined ? cause.message : getSystemErrorMessage(cause.errno), { cause })
    this.name = 'OutputError'
    this.isClosed = cause.code === 'EPIPE'
  }
}

export interface Output extends Terminal {
  /** Resolves once everything so far is out. Rejects with OutputError where any of it is not. */
  written(): Promise<unknown>
}

export function openOutput(): Output {
  const { stdout } = process
  let last: Promise<unknown> = Promise.resolve()
  // Whoever wrote is told by `written`; without a listener it would be an uncaught exception too.
  stdout.on('error', () => undefined)

  return {
    get columns() {
      return stdout.columns
    },
    get rows() {
      return stdout.rows
    },
    write(text) {
      const before = last
      const { promise, resolve, reject } = Promise.withResolvers<undefined>()
      stdout.write(text, (error) => (error ? reject(new OutputError(error)) : resolve(undefined)))
      last = before.then(() => promise)
      for (const each of [promise, last]) each.catch(() => undefined)
    },
    written: () => last,
  }
}
