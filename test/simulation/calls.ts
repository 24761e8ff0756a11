// Calls between processes: each request and each answer is under way in the lanes, in any order, or
// passes at once where the history does not look at calls. A process that is gone answers nobody, and
// whoever waited for it is told so.

import { status, type Client } from '@grpc/grpc-js'
import type { Lanes } from './lanes.ts'

/** A process that can be killed. */
export interface Process {
  readonly name: string
  isAlive: boolean
}

type Answer = (request: never) => unknown
export type Answers = Readonly<Record<string, Answer>>

export interface CallOptions {
  readonly lanes: Lanes
  readonly isFine: boolean
  readonly caller: Process
  /** Who answers now: processes come and go. */
  readonly callee: () => { readonly process: Process; readonly answers: Answers }
}

type Callback = (error: object | null, reply?: unknown) => void

/** A gRPC client, as `unary` calls it, of whatever answers. */
export function clientOf<C extends Client>(options: CallOptions): C {
  const target = {} as Record<string, unknown>
  return new Proxy(target, {
    get: (_, method) => call.bind(undefined, options, String(method)),
  }) as unknown as C
}

function call(
  { lanes, isFine, caller, callee }: CallOptions,
  method: string,
  ...args: [request: unknown, metadata: unknown, options: { deadline: number }, back: Callback]
) {
  const [request, , { deadline }, back] = args
  let isOver = false
  const timer = setTimeout(
    () => over(failure(status.DEADLINE_EXCEEDED, 'deadline')),
    deadline - Date.now(),
  )

  function over(error: object | null, reply?: unknown): void {
    if (isOver || !caller.isAlive) return
    isOver = true
    clearTimeout(timer)
    back(error, reply)
  }

  function pass(move: () => void): void {
    if (isFine) lanes.addLoose('call', move)
    else move()
  }

  pass(() => {
    const { process, answers } = callee()
    const answer = answers[method] as ((request: unknown) => unknown) | undefined
    if (answer === undefined) throw new Error(`nobody answers ${method}`)
    const gone = () => over(failure(status.UNAVAILABLE, 'gone'))
    if (!process.isAlive) return gone()
    Promise.resolve(answer(request)).then(
      (reply) => (process.isAlive ? pass(() => over(null, reply)) : gone()),
      () => pass(gone),
    )
  })
  return { cancel: () => over(failure(status.CANCELLED, 'cancelled')) }
}

function failure(code: number, details: string): object {
  return Object.assign(new Error(details), { code, details })
}
