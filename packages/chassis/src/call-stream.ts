// Unary calls of a client on one stream, instead of a stream of HTTP/2 for each. `unary` calls them as
// before; they mean what they meant, but that a call which is given up is finished by the server.
//
// What is called within one turn of the event loop goes out together. Until the stream is open, and
// while the server reads no more, calls wait here, no longer than their deadlines. Where a connection
// breaks, or a server leaves, those without an answer are sent again on the next stream: so they must
// be calls that may be repeated. A server of an older release does not know such streams: there, calls
// go alone.

import {
  type CallOptions,
  type Client,
  type Metadata,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js'
import { CallsService } from '@twotick/protocol/services'
import assert from 'node:assert/strict'
import {
  type CallsUnderWay,
  createCallsUnderWay,
  type Definition,
  type Done,
  serviceError,
} from './calls-under-way.ts'
import type { UnaryMethodOf } from './grpc-client.ts'
import { keepStream } from './kept-stream.ts'
import type { Logger } from './log.ts'

/** Of one client. */
const CALLS_MAX = 100_000
const FRAME_BOUNDS = { callsMax: 64, bytesMax: 262_144 }

interface Handle {
  cancel(): void
}

/** A unary method of a client, as `unary` calls it. */
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
export function joinCalls<C extends Client>(
  client: C,
  service: ServiceDefinition,
  { methods, log }: CallStreamOptions<UnaryMethodOf<C> & string>,
): () => void {
  const underWay = createCallsUnderWay()
  // The server was of an older release when it was asked last.
  let isAlone = false
  let isFlushPlanned = false
  // The server does not read just now.
  let isFull = false

  const stream = keepStream({
    open: () => openExchange(client),
    log,
    onOpen() {
      isAlone = false
      isFull = false
      flush()
    },
    onReply: ({ answers }) => answers.forEach(underWay.answer),
    onBroken({ code, message }) {
      isAlone = code === 'UNIMPLEMENTED'
      const error = serviceError(status[code], message)
      if (code === 'UNAVAILABLE') underWay.putBack(error)
      else underWay.endAll(error)
    },
  })

  function flush() {
    isFlushPlanned = false
    const open = stream.current()
    while (open !== undefined && !isFull) {
      const calls = underWay.takeUnsent(FRAME_BOUNDS)
      if (calls.length === 0) return
      isFull = !open.write({ calls })
      if (isFull) open.once('drain', () => readsAgain(open))
    }
  }

  function readsAgain(open: unknown) {
    if (open !== stream.current()) return
    isFull = false
    flush()
  }

  function planFlush() {
    if (isFlushPlanned) return
    isFlushPlanned = true
    setImmediate(flush)
  }

  const stubs = client as unknown as Record<string, Method>
  for (const name of methods) {
    const [definition, alone] = [service[name], stubs[name]]
    assert(definition && !definition.requestStream && !definition.responseStream && alone)
    const goAlone: Method = (...args) => alone.apply(client, args)
    const together = joined(definition, goAlone, { underWay, planFlush })
    const either: Method = (...args) => (isAlone ? goAlone(...args) : together(...args))
    stubs[name] = either
  }
  return () => {
    stream.close()
    isAlone = true // which a client that is closed answers at once
    underWay.endAll(serviceError(status.UNAVAILABLE, 'the client is closed'))
  }
}

interface Joint {
  readonly underWay: CallsUnderWay
  readonly planFlush: () => void
}

function joined(definition: Definition, goAlone: Method, { underWay, planFlush }: Joint): Method {
  return (request, metadata, options, done) => {
    const end = underWay.add(definition, request, Number(options.deadline), (error, reply) => {
      if (error?.code === status.UNIMPLEMENTED) handle = goAlone(request, metadata, options, done)
      else done(error, reply)
    })
    let handle: Handle = { cancel: () => end(serviceError(status.CANCELLED, 'given up')) }
    if (underWay.size() <= CALLS_MAX) planFlush()
    else setImmediate(end, serviceError(status.RESOURCE_EXHAUSTED, 'too many calls'))
    return { cancel: () => handle.cancel() }
  }
}

function openExchange(client: Client) {
  const { path, requestSerialize, responseDeserialize } = CallsService.exchange
  return client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
}
