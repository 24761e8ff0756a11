// Unary calls of a client on one stream, instead of a stream of HTTP/2 for each. For who calls nothing
// changes: the client's methods are replaced by others that mean the same. (A call that is given up is
// so here alone; the server finishes it.)
//
// What is called within one turn of the event loop goes out in one frame. Until the stream is open,
// calls wait, no longer than their deadlines. When it breaks, those without an answer are sent again on
// the next one: so they must be calls that may be repeated. A server of an older release does not know
// such streams: there, calls go alone.

import {
  type CallOptions,
  type Client,
  type Metadata,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js'
import { CallsService } from '@twotick/protocol/services'
import assert from 'node:assert/strict'
import { createCallsUnderWay, type Definition, type Done, serviceError } from './calls-under-way.ts'
import { keepStream } from './kept-stream.ts'
import type { Logger } from './log.ts'

/** Of one client. */
const CALLS_MAX = 100_000
const FRAME_BYTES_MAX = 1_048_576

interface Handle {
  cancel(): void
}

/** A unary method of a client, as far as it is called here. */
type Method = (
  request: unknown,
  metadata: Metadata,
  options: Partial<CallOptions>,
  done: Done,
) => Handle

export interface CallStreamOptions<M> {
  /** Those that travel together, and may be repeated; the others stay as they are. */
  readonly methods: readonly M[]
  readonly log: Logger
}

/** Replaces methods of a client by their like on one stream. Returns what ends the stream. */
export function joinCalls<M extends string>(
  client: Client,
  service: ServiceDefinition,
  { methods, log }: CallStreamOptions<M>,
): () => void {
  const underWay = createCallsUnderWay()
  // The server was of an older release when it was asked last.
  let isAlone = false
  let isFlushPlanned = false

  const stream = keepStream({
    open: () => openExchange(client),
    log,
    onOpen() {
      isAlone = false
      flush()
    },
    onReply: ({ answers }) => answers.forEach(underWay.answer),
    onBroken({ code, message }) {
      isAlone = code === 'UNIMPLEMENTED'
      if (isAlone) underWay.endAll(serviceError(status.UNIMPLEMENTED, message))
      else underWay.putBack()
    },
  })

  function flush() {
    isFlushPlanned = false
    const open = stream.current()
    if (open === undefined) return
    for (;;) {
      const calls = underWay.takeUnsent(FRAME_BYTES_MAX)
      if (calls.length === 0) return
      open.write({ calls })
    }
  }

  function planFlush() {
    if (isFlushPlanned) return
    isFlushPlanned = true
    setImmediate(flush)
  }

  function joined(definition: Definition, alone: Method): Method {
    return (request, metadata, options, done) => {
      const goAlone = () => alone.call(client, request, metadata, options, done)
      if (isAlone) return goAlone()
      if (underWay.size() >= CALLS_MAX) {
        done(serviceError(status.RESOURCE_EXHAUSTED, 'too many calls are under way'))
        return { cancel: () => undefined }
      }
      const end = underWay.add(definition, request, Number(options.deadline), (error, reply) => {
        if (error?.code === status.UNIMPLEMENTED) handle = goAlone()
        else done(error, reply)
      })
      let handle: Handle = { cancel: () => end(serviceError(status.CANCELLED, 'given up')) }
      planFlush()
      return { cancel: () => handle.cancel() }
    }
  }

  const stubs = client as unknown as Record<M, Method>
  for (const name of methods) {
    const definition = service[name]
    assert(definition && !definition.requestStream, `${name} is no unary method`)
    stubs[name] = joined(definition, stubs[name])
  }
  return () => {
    stream.close()
    underWay.endAll(serviceError(status.UNAVAILABLE, 'the client is closed'))
  }
}

function openExchange(client: Client) {
  const { path, requestSerialize, responseDeserialize } = CallsService.exchange
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
}
