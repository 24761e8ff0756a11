// Answers unary calls that came together on one stream (call-stream.ts), each as if it had come alone.

import { status } from '@grpc/grpc-js'
import {
  type Answer,
  type AnswerFrame,
  asBuffer,
  type Call,
  type CallFrame,
} from '@twotick/protocol/services'
import { isAllowed } from './callers.ts'
import type { CallContext, ServedService, Stream, ToStatus, Unary } from './grpc-server.ts'

/** What answers a call, from the request's bytes to the reply's. */
type Method = (request: Uint8Array, context: CallContext) => Promise<Uint8Array>

/** The method of `Calls`, for a server that has these services. */
export function answerCalls(
  services: readonly ServedService[],
  toStatus: ToStatus,
): Stream<CallFrame, AnswerFrame> {
  const methods = new Map(services.flatMap(unaryMethods))

  async function answered({ id, method, request }: Call, context: CallContext): Promise<Answer> {
    const found = methods.get(method)
    if (found === undefined) return failed(id, status.UNIMPLEMENTED, `there is no ${method}`)
    if (!isAllowed(method, context.caller)) {
      return failed(id, status.PERMISSION_DENIED, `not for ${context.caller}`)
    }
    try {
      return { id, status: status.OK, details: '', reply: await found(request, context) }
    } catch (error) {
      const { code, details } = toStatus(error, method)
      return failed(id, code, details)
    }
  }

  return async ({ calls }, answer, context) => {
    await Promise.all(
      calls.map(async (call) => answer({ answers: [await answered(call, context)] })),
    )
  }
}

function unaryMethods({ definition, implementation }: ServedService): [string, Method][] {
  return Object.entries(definition)
    .filter(([, { requestStream, responseStream }]) => !requestStream && !responseStream)
    .map(([name, { path, requestDeserialize, responseSerialize }]) => {
      const answer = implementation[name] as Unary<unknown, unknown>
      return [
        path,
        async (request, context) =>
          responseSerialize(await answer(requestDeserialize(asBuffer(request)), context)),
      ]
    })
}

function failed(id: number, code: status, details: string): Answer {
  return { id, status: code, details, reply: new Uint8Array() }
}
