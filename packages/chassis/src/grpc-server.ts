// A gRPC server whose methods are plain functions. What every server needs is here once: identity,
// bounds, the mapping of failures to statuses, and draining.
//
//   unary   (request, context) => Promise<reply>
//   stream  (request, answer, context) => Promise<void>      both directions, many items in a frame
//
// A stream's method is called once for each frame, in their order, without waiting for the one
// before; it answers by any number of replies, and is done with the frame when its promise is. So
// many frames are in flight at once; at the bound the stream is not read, and the caller waits.

import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { CallsService } from '@twotick/protocol/services'
import { answerCalls } from './answer-calls.ts'
import { Failure, postgresFailure } from './failure.ts'
import type { Certificates } from './certificates.ts'
import { tlsServerCredentials } from './grpc-tls.ts'
import { byCertificate, bySecret, callerOf, checkIdentity, readServiceSecret } from './identity.ts'
import { type Logger, logSeldom } from './log.ts'

/** The largest message, of a request or a reply. A batch is split well below it. */
export const GRPC_MESSAGE_BYTES_MAX = 8 * 1_048_576

/** Of one stream, not answered yet. */
const FRAMES_MAX = 64
/** Of 64 calls at most, which wait for Postgres each by itself. */
const CALL_FRAMES_MAX = 256
/** So long a server that leaves answers calls, which its callers can send to another one. */
const CALLS_LEAVE_MS = 100

export interface GrpcServerOptions {
  /** `host:port`; port 0 takes any free one. */
  readonly listen: string
  /** Callers are known by their certificates, and every connection is mutual TLS. */
  readonly certificates?: Certificates | undefined
  /** Without certificates: callers are known by tokens of this secret. */
  readonly secretFile?: string | undefined
  /** How long `drain` waits for what is in flight. */
  readonly drainMs?: number
}

export interface CallContext {
  /** The calling service. */
  readonly caller: string
  /** Aborts when the caller gives up, its deadline passes or the connection breaks. */
  readonly signal: AbortSignal
  /** By performance.now(). Infinity without a deadline: a stream's, and that of calls which share one. */
  readonly answerBy: number
}

/**
 * Throws once the caller waits no more. It may have asked somebody else since then, so whatever would
 * take effect now comes too late. The clock is asked too: a process that stood still may go on with
 * something else before it hears that a call was given up.
 */
export function throwIfLate({ signal, answerBy }: Omit<CallContext, 'caller'>): void {
  if (!signal.aborted && performance.now() < answerBy) return
  throw new Failure('DEADLINE_EXCEEDED', 'nobody waits for it any more', { hadNoEffect: true })
}

export type Unary<Q, R> = (request: Q, context: CallContext) => Promise<R>
export type Stream<Q, R> = (
  request: Q,
  answer: (reply: R) => void,
  context: CallContext,
) => Promise<void>

interface MethodOf<Q, R> {
  readonly requestDeserialize: (bytes: Buffer) => Q
  readonly responseDeserialize: (bytes: Buffer) => R
  readonly requestStream: boolean
}

/** The methods of a generated service, as functions. */
export type Implementation<D> = {
  readonly [M in keyof D]: D[M] extends MethodOf<infer Q, infer R>
    ? D[M] extends { readonly requestStream: true }
      ? Stream<Q, R>
      : Unary<Q, R>
    : never
}

/** A service and what answers it: made by `implement`, so that the two fit. */
export interface ServedService {
  readonly definition: ServiceDefinition
  readonly implementation: Readonly<Record<string, unknown>>
}

export function implement<D extends ServiceDefinition>(
  definition: D,
  implementation: Implementation<D>,
): ServedService {
  return { definition, implementation: implementation as Readonly<Record<string, unknown>> }
}

export interface GrpcServer {
  readonly port: number
  /** Takes nothing new, finishes what is in flight, then ends what is left. */
  drain(): Promise<void>
}

export async function serveGrpc(
  options: GrpcServerOptions,
  services: readonly ServedService[],
  log: Logger,
): Promise<GrpcServer> {
  const { certificates, secretFile } = options
  const identify =
    certificates === undefined
      ? bySecret(readServiceSecret(secretFile))
      : byCertificate(certificates.identityPrefix)
  const credentials =
    certificates === undefined
      ? ServerCredentials.createInsecure()
      : tlsServerCredentials(certificates)
  const server = new Server({
    interceptors: [checkIdentity(identify)],
    'grpc.max_receive_message_length': GRPC_MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': GRPC_MESSAGE_BYTES_MAX,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  })
  const draining = new AbortController()
  const toStatus = statusOf(log)
  const calls = implement(CallsService, { exchange: answerCalls(services, toStatus) })
  for (const { definition, implementation } of [calls, ...services]) {
    server.addService(definition, handlers(definition, implementation, { toStatus, draining }))
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(options.listen, credentials, (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return { port, drain: () => drain(server, draining, options.drainMs ?? 5_000) }
}

async function drain(server: Server, draining: AbortController, drainMs: number): Promise<void> {
  draining.abort()
  await new Promise<void>((resolve) => {
    const late = setTimeout(() => {
      server.forceShutdown()
      resolve()
    }, drainMs)
    server.tryShutdown(() => {
      clearTimeout(late)
      resolve()
    })
  })
}

interface Serving {
  readonly toStatus: ToStatus
  readonly draining: AbortController
}

function handlers(
  definition: ServiceDefinition,
  implementation: Readonly<Record<string, unknown>>,
  serving: Serving,
): UntypedServiceImplementation {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => {
      const answer = implementation[name]
      return method.requestStream
        ? [name, streamHandler(answer as Stream<unknown, unknown>, method.path, serving)]
        : [name, unaryHandler(answer as Unary<unknown, unknown>, method.path, serving)]
    }),
  )
}

function unaryHandler(answer: Unary<unknown, unknown>, path: string, { toStatus }: Serving) {
  return (call: ServerUnaryCall<unknown, unknown>, callback: sendUnaryData<unknown>) => {
    const context = contextOf(call)
    void (async () => answer(call.request, context))().then(
      (reply) => callback(null, reply),
      (error: unknown) => callback(toStatus(error, path)),
    )
  }
}

function streamHandler(answer: Stream<unknown, unknown>, path: string, serving: Serving) {
  const { toStatus, draining } = serving
  const isOfCalls = path === CallsService.exchange.path
  const framesMax = isOfCalls ? CALL_FRAMES_MAX : FRAMES_MAX
  return (call: ServerDuplexStream<unknown, unknown>) => {
    const context = contextOf(call)
    let framesInFlight = 0
    // What the caller does not read is not asked for either.
    let isFull = false
    // No frame is taken any more: the stream ends when those in flight are answered.
    let isLast = false
    let isEnded = false

    const readOn = () => {
      if (isEnded) return
      if (!isLast) {
        if (framesInFlight < framesMax && !isFull) call.resume()
      } else if (framesInFlight === 0) end()
    }
    const end = () => {
      if (isEnded) return
      isEnded = true
      call.end()
    }
    const takeNoMore = () => {
      isLast = true
      call.pause()
      readOn()
      if (isOfCalls && !isEnded) setTimeout(end, CALLS_LEAVE_MS)
    }
    const reply = (message: unknown) => {
      if (!isEnded && !context.signal.aborted && !call.write(message)) isFull = true
    }
    const take = async (request: unknown) => {
      framesInFlight += 1
      if (framesInFlight >= framesMax || isFull) call.pause()
      try {
        await answer(request, reply, context)
        framesInFlight -= 1
        readOn()
      } catch (error) {
        isEnded = true
        call.emit('error', toStatus(error, path))
      }
    }

    // The caller learns by this that the stream is open: what it sends will be read.
    call.sendMetadata(new Metadata())
    call.on('data', (request: unknown) => void take(request))
    call.on('end', takeNoMore)
    call.on('drain', () => {
      isFull = false
      readOn()
    })
    if (draining.signal.aborted) takeNoMore()
    else draining.signal.addEventListener('abort', takeNoMore, { signal: context.signal })
  }
}

function contextOf(
  call: ServerUnaryCall<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
): CallContext {
  const gone = new AbortController()
  if (call.cancelled) gone.abort()
  else call.on('cancelled', () => gone.abort())
  const answerBy = performance.now() + (Number(call.getDeadline()) - Date.now())
  return { caller: callerOf(call.metadata), signal: gone.signal, answerBy }
}

/** How an error becomes a status: a failure is said so, a bug is only logged. */
export type ToStatus = (error: unknown, path: string) => { code: status; details: string }

/** The one place where it does. */
function statusOf(log: Logger): ToStatus {
  const warn = logSeldom(log)
  return (error: unknown, path: string) => {
    const failure = error instanceof Failure ? error : postgresFailure(error)
    if (failure === undefined) {
      log.error({ error, method: path }, 'a bug ends the request')
      return { code: status.INTERNAL, details: 'a bug, see the log' }
    }
    warn(`${path} fails`, { code: failure.code, reason: failure.message })
    return { code: status[failure.code], details: failure.message }
  }
}
