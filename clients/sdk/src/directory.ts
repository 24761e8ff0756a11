// Requests to the directory, over the same connection. At most 16 are without an answer; what a lost
// connection leaves unanswered is asked again on the next one, until its deadline. (Every request may
// be repeated: a repeated TakeKeyPackages costs a key package, no more.)

import type { Request, Response } from '@twotick/protocol'
import { OfflineError, RefusedError, type StoppedError } from './errors.ts'
import type { Link } from './link.ts'

const UNANSWERED_MAX = 16
const DEADLINE_MS = 15_000

export type Question = NonNullable<Request['body']>
export type Answer = Exclude<NonNullable<Response['body']>, { $case: 'refusal' }>
type Case = Answer['$case']
type ValueOf<C extends Case> = Extract<Answer, { $case: C }>['value']

interface Waiting {
  readonly requestId: number
  readonly body: Question
  readonly settle: (body: Response['body']) => void
  readonly fail: (error: Error) => void
  isSent: boolean
}

export type Directory = ReturnType<typeof createDirectory>

export function createDirectory() {
  const waiting = new Map<number, Waiting>()
  let lastId = 0
  let link: Link | undefined
  let stopped: StoppedError | undefined

  function flush(): void {
    if (!link) return
    const sent = [...waiting.values()].filter(({ isSent }) => isSent).length
    const unsent = [...waiting.values()].filter(({ isSent }) => !isSent)
    for (const request of unsent.slice(0, UNANSWERED_MAX - sent)) {
      request.isSent = true
      const { requestId, body } = request
      link.send({ $case: 'request', value: { requestId, body } })
    }
  }

  return {
    /**
     * Asks, and resolves with the answer's value. Throws RefusedError, OfflineError in time, or
     * StoppedError, after which asking again is of no use.
     */
    ask<C extends Case>(body: Question, expected: C): Promise<ValueOf<C>> {
      if (stopped) return Promise.reject(stopped)
      const requestId = (lastId += 1)
      return new Promise<ValueOf<C>>((resolve: (value: never) => void, reject) => {
        const fail = (error: Error) => {
          clearTimeout(timer)
          waiting.delete(requestId)
          reject(error)
        }
        const timer = setTimeout(() => fail(new OfflineError(body.$case)), DEADLINE_MS)
        const settle = (answer: Response['body']) => {
          if (answer?.$case === 'refusal') return fail(new RefusedError(answer.value))
          if (answer?.$case !== expected) return fail(new OfflineError(body.$case))
          clearTimeout(timer)
          waiting.delete(requestId)
          resolve(answer.value as never)
        }
        waiting.set(requestId, { requestId, body, settle, fail, isSent: false })
        flush()
      })
    },
    answered({ requestId, body }: Response): void {
      waiting.get(requestId)?.settle(body)
      flush()
    },
    connected(to: Link): void {
      link = to
      flush()
    },
    disconnected(): void {
      link = undefined
      for (const request of waiting.values()) request.isSent = false
    },
    stop(error: StoppedError): void {
      link = undefined
      stopped ??= error
      for (const { fail } of [...waiting.values()]) fail(stopped)
    },
  }
}
