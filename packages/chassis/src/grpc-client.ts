// A gRPC client for another service, and the way to call it: each call has a deadline, and what went
// wrong comes back as a Failure.

import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import assert from 'node:assert/strict'
import { SERVERS, type ServiceName } from './callers.ts'
import type { Certificates } from './certificates.ts'
import { Failure, type FailureCode } from './failure.ts'
import { GRPC_MESSAGE_BYTES_MAX } from './grpc-server.ts'
import { tlsChannelCredentials } from './grpc-tls.ts'
import { readServiceSecret, showIdentity } from './identity.ts'

const FLOW_CONTROL_BYTES = 4 * 1_048_576

interface ClientConstructor<C extends Client> {
  new (target: string, credentials: ChannelCredentials, options: Partial<ClientOptions>): C
  readonly serviceName: string
}

/** The names of a client's unary methods. */
export type UnaryMethodOf<C> = {
  [M in keyof C]: C[M] extends UnaryMethod<never, unknown> ? M : never
}[keyof C]

export interface GrpcClientOptions {
  readonly target: string
  /** The name of the service that calls. */
  readonly service: ServiceName
  /** It is known by its certificate, and the server by its own. */
  readonly certificates?: Certificates | undefined
  /** Without certificates: it is known by a token of this secret. */
  readonly secretFile?: string | undefined
}

/**
 * Makes a client. It connects by itself, spreads streams and calls over all addresses of the target, and is
 * connected again within about a second after the other end is back; unary calls wait for that as long
 * as their deadline lets them. Close it with `client.close()`.
 */
export function grpcClient<C extends Client>(
  Client: ClientConstructor<C>,
  { target, service, certificates, secretFile }: GrpcClientOptions,
): C {
  const server = SERVERS[Client.serviceName]
  assert(server, `${Client.serviceName} is served by nobody`)
  const [transport, interceptors] =
    certificates === undefined
      ? [credentials.createInsecure(), [showIdentity(service, readServiceSecret(secretFile))]]
      : [tlsChannelCredentials(certificates, server), []]
  return new Client(target, transport, {
    interceptors,
    'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    'grpc.max_receive_message_length': GRPC_MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': GRPC_MESSAGE_BYTES_MAX,
    // By default 64 KiB for all replies: a page of a mailbox would be many round trips long, and
    // whatever is behind it would wait for them.
    'grpc-node.flow_control_window': FLOW_CONTROL_BYTES,
    // A stopped server is found out within 4 s; deadlines bound every call before that.
    'grpc.keepalive_time_ms': 2_000,
    'grpc.keepalive_timeout_ms': 2_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
    'grpc.dns_min_time_between_resolutions_ms': 1_000,
    // Whether to repeat is decided by who knows what a repetition means.
    'grpc.enable_retries': 0,
  })
}

type UnaryMethod<Q, R> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, reply: R) => void,
) => ClientUnaryCall

type CallOf<Method> =
  Method extends UnaryMethod<infer Q, infer R> ? { request: Q; reply: R } : never

export interface UnaryOptions {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}

/**
 * Calls a unary method by its name: `await unary(store, 'fetch', request, { deadlineMs: 2_000 })`.
 * Rejects with a Failure, or with the signal's reason where the signal ended it.
 */
export function unary<C extends Client, M extends keyof C>(
  client: C,
  method: M,
  request: CallOf<C[M]>['request'],
  { deadlineMs, signal }: UnaryOptions,
): Promise<CallOf<C[M]>['reply']> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const invoke = client[method] as UnaryMethod<CallOf<C[M]>['request'], CallOf<C[M]>['reply']>
    const cancel = () => call.cancel()
    const options = { deadline: Date.now() + deadlineMs }
    // A server that is being started again is worth waiting for; the deadline bounds it.
    const metadata = new Metadata({ waitForReady: true })
    const call = invoke.call(client, request, metadata, options, (error, reply) => {
      signal?.removeEventListener('abort', cancel)
      if (error === null) resolve(reply)
      else if (signal?.aborted) reject(signal.reason as Error)
      else reject(callFailure(error))
    })
    signal?.addEventListener('abort', cancel, { once: true })
  })
}

// What is not here is INTERNAL: a bug, at this end or the other.
const FAILURE_BY_STATUS: Readonly<Record<number, FailureCode>> = {
  [status.UNAVAILABLE]: 'UNAVAILABLE',
  [status.CANCELLED]: 'UNAVAILABLE',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.RESOURCE_EXHAUSTED]: 'RESOURCE_EXHAUSTED',
  [status.UNIMPLEMENTED]: 'UNIMPLEMENTED',
}

/** The one place where a status becomes an error. */
export function callFailure(error: ServiceError): Failure {
  // grpc-js says INTERNAL also where the connection breaks in the middle of a call.
  const isBroken = error.code === status.INTERNAL && /RST_STREAM|reset/i.test(error.details)
  const code = isBroken ? 'UNAVAILABLE' : (FAILURE_BY_STATUS[error.code] ?? 'INTERNAL')
  return new Failure(code, error.message, { cause: error })
}
