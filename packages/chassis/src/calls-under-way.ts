// The calls of a stream of calls (call-stream.ts) that its server has not answered yet. Whoever has
// called hears once: the answer, that it comes too late, or that it was given up.

import { Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js'
import { type Answer, asBuffer, type Call } from '@twotick/protocol/services'

/** A method of the service, by which requests are written and replies are read. */
export type Definition = MethodDefinition<unknown, unknown>

/** What grpc-js calls when a unary call is over. */
export type Done = (error: ServiceError | null, reply?: unknown) => void

interface UnderWay {
  readonly call: Call
  readonly definition: Definition
  timesSent: number
  readonly end: Done
}

/**
 * A call's place; empty once its caller has heard. It is what is in a Map, and not the call itself:
 * see in-flight.ts, which knows why.
 */
interface Place {
  one: UnderWay | undefined
}

export interface CallsUnderWay {
  /** How many there are. What was sent counts until it is answered, whoever still waits for that. */
  size(): number
  /** Returns what ends it before it is answered. A request that cannot be written ends it, too. */
  add(definition: Definition, request: unknown, deadline: number, done: Done): Done
  /** Ends the call that it is of; if there is none, it came too late. */
  answer(answer: Answer): void
  /** Those that were not sent yet, oldest first, within these bounds or one: now they were. */
  takeUnsent(bounds: { readonly callsMax: number; readonly bytesMax: number }): Call[]
  /** Those that were sent are to be sent again; but one that goes under each time ends so. */
  putBack(error: ServiceError): void
  endAll(error: ServiceError): void
}

/** Streams that a call may break, or be on when they break. */
const TIMES_SENT_MAX = 3

export function createCallsUnderWay(): CallsUnderWay {
  const sent = new Map<number, Place>()
  let unsent = new Set<Place>()
  let lastId = 0

  function putBack(error: ServiceError) {
    const all = [...sent.values()]
    sent.clear()
    for (const { one } of all) if (one && one.timesSent >= TIMES_SENT_MAX) one.end(error)
    unsent = new Set([...all.filter(({ one }) => one !== undefined), ...unsent])
  }

  return {
    size: () => sent.size + unsent.size,
    add(definition, request, deadline, done) {
      const place: Place = { one: undefined }
      const end: Done = (error, reply) => {
        if (place.one === undefined) return
        place.one = undefined
        clearTimeout(timer)
        unsent.delete(place)
        done(error, reply)
      }
      const late = () => end(serviceError(status.DEADLINE_EXCEEDED, 'no answer in time'))
      const timer = setTimeout(late, Math.max(1, deadline - Date.now()))
      const call: Call = { id: ++lastId, method: definition.path, request: Buffer.alloc(0) }
      place.one = { call, definition, timesSent: 0, end }
      try {
        call.request = definition.requestSerialize(request)
        unsent.add(place)
      } catch (error) {
        setImmediate(end, serviceError(status.INTERNAL, `cannot be written: ${String(error)}`))
      }
      return end
    },
    answer(answer) {
      const one = sent.get(answer.id)?.one
      sent.delete(answer.id)
      one?.end(...outcomeOf(answer, one.definition))
    },
    takeUnsent({ callsMax, bytesMax }) {
      const calls: Call[] = []
      let bytes = 0
      for (const place of unsent) {
        const { one } = place
        bytes += one?.call.request.length ?? 0
        if (calls.length === callsMax || (bytes > bytesMax && calls.length > 0)) break
        unsent.delete(place)
        if (one === undefined) continue
        one.timesSent += 1
        sent.set(one.call.id, place)
        calls.push(one.call)
      }
      return calls
    },
    putBack,
    endAll(error) {
      const all = [...sent.values(), ...unsent]
      sent.clear()
      for (const { one } of all) one?.end(error)
    },
  }
}

function outcomeOf(
  { status: code, details, reply }: Answer,
  { responseDeserialize }: Definition,
): Parameters<Done> {
  if (code !== status.OK) return [serviceError(code, details)]
  try {
    return [null, responseDeserialize(asBuffer(reply))]
  } catch (error) {
    return [serviceError(status.INTERNAL, `cannot be read: ${String(error)}`)]
  }
}

/** As grpc-js makes them. */
export function serviceError(code: status, details: string): ServiceError {
  const error = new Error(`${code} ${status[code]}: ${details}`)
  return Object.assign(error, { code, details, metadata: new Metadata() })
}
