// The calls of a stream of calls (call-stream.ts) that its server has not answered yet. Whoever has
// called hears once: the answer, that it comes too late, or that it was given up.

import { Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js'
import type { Answer, Call } from '@twotick/protocol/services'

export type Definition = MethodDefinition<unknown, unknown>

export type Done = (error: ServiceError | null, reply?: unknown) => void

interface UnderWay {
  readonly call: Call
  readonly definition: Definition
  isOver: boolean
  /** Has no effect if the caller has heard before. */
  readonly end: Done
}

export interface CallsUnderWay {
  /** How many there are. What was sent counts until it is answered, whoever still waits for that. */
  size(): number
  /** Returns what ends it before it is answered. */
  add(definition: Definition, request: unknown, deadline: number, done: Done): Done
  answer(answer: Answer): void
  /** Those that were not sent yet, oldest first and no more than so many bytes or one: now they were. */
  takeUnsent(bytesMax: number): Call[]
  /** Those that were sent are to be sent again. */
  putBack(): void
  endAll(error: ServiceError): void
}

export function createCallsUnderWay(): CallsUnderWay {
  const sent = new Map<number, UnderWay>()
  let unsent = new Set<UnderWay>()
  let lastId = 0

  function putBack() {
    const repeated = [...sent.values()].filter(({ isOver }) => !isOver)
    unsent = new Set([...repeated, ...unsent])
    sent.clear()
  }

  return {
    size: () => sent.size + unsent.size,
    add(definition, request, deadline, done) {
      const end: Done = (error, reply) => {
        if (one.isOver) return
        one.isOver = true
        clearTimeout(timer)
        unsent.delete(one)
        done(error, reply)
      }
      const { path: method, requestSerialize } = definition
      const call = { id: ++lastId, method, request: requestSerialize(request) }
      const one = { call, definition, isOver: false, end }
      const late = () => end(serviceError(status.DEADLINE_EXCEEDED, 'no answer in time'))
      const timer = setTimeout(late, Math.max(1, deadline - Date.now()))
      unsent.add(one)
      return end
    },
    answer(answer) {
      const one = sent.get(answer.id)
      if (one === undefined) return
      sent.delete(answer.id)
      if (!one.isOver) one.end(...outcomeOf(answer, one.definition))
    },
    takeUnsent(bytesMax) {
      const calls: Call[] = []
      let bytes = 0
      for (const one of unsent) {
        bytes += one.call.request.length
        if (bytes > bytesMax && calls.length > 0) break
        unsent.delete(one)
        sent.set(one.call.id, one)
        calls.push(one.call)
      }
      return calls
    },
    putBack,
    endAll(error) {
      putBack()
      for (const { end } of [...unsent]) end(error)
    },
  }
}

function outcomeOf(
  { status: code, details, reply }: Answer,
  { responseDeserialize }: Definition,
): Parameters<Done> {
  if (code !== status.OK) return [serviceError(code, details)]
  const { buffer, byteOffset, byteLength } = reply
  try {
    return [null, responseDeserialize(Buffer.from(buffer, byteOffset, byteLength))]
  } catch (error) {
    return [serviceError(status.INTERNAL, `a reply that cannot be read: ${String(error)}`)]
  }
}

/** As grpc-js makes them. */
export function serviceError(code: status, details: string): ServiceError {
  const error = new Error(`${code} ${status[code]}: ${details}`)
  return Object.assign(error, { code, details, metadata: new Metadata() })
}
