// One bidirectional gRPC stream that is kept open:
//
//   waiting --(back-off)--> opening --(the server's metadata)--> open --(any end)--> waiting
//
// and, from each of them, closed.

import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import { backoffMs, Failure } from './failure.ts'
import { callFailure } from './grpc-client.ts'
import type { Logger } from './log.ts'

// The channel has a back-off of its own: this one only bounds how often it is asked.
const BACKOFF = { firstMs: 20, maxMs: 250 }
// Services start in any order: that the other one is not there yet is worth a warning after some 5 s.
const TRIES_AT_START = 20

export interface KeptStreamOptions<Request, Reply> {
  open(): ClientDuplexStream<Request, Reply>
  onOpen(): void
  onReply(reply: Reply): void
  /** The stream ended, or could not be opened; another one will be. */
  onBroken(failure: Failure): void
  readonly log: Logger
}

export interface KeptStream<Request> {
  /** The stream, if it is open. */
  current(): Pick<ClientDuplexStream<Request, unknown>, 'write' | 'once'> | undefined
  close(): void
}

type State<Stream> =
  | { readonly at: 'waiting'; readonly timer: NodeJS.Timeout }
  | { readonly at: 'opening' | 'open'; readonly stream: Stream }
  | { readonly at: 'closed' }

export function keepStream<Request, Reply>(
  options: KeptStreamOptions<Request, Reply>,
): KeptStream<Request> {
  type Stream = ClientDuplexStream<Request, Reply>
  // Streams in a row that broke; 0 once one was open.
  let brokenInRow = 0
  let wasOpen = false
  let state: State<Stream> = openStream()

  function isCurrent(stream: Stream): boolean {
    return 'stream' in state && state.stream === stream
  }

  function openStream(): State<Stream> {
    const stream = options.open()
    stream.once('metadata', () => {
      if (!isCurrent(stream)) return
      if (brokenInRow > 0) options.log.info('the stream is open')
      brokenInRow = 0
      wasOpen = true
      state = { at: 'open', stream }
      options.onOpen()
    })
    stream.on('data', (reply: Reply) => {
      if (isCurrent(stream)) options.onReply(reply)
    })
    stream.once('end', () => broke(stream, new Failure('UNAVAILABLE', 'the stream was ended')))
    stream.on('error', (error: ServiceError) => broke(stream, callFailure(error)))
    return { at: 'opening', stream }
  }

  function broke(stream: Stream, failure: Failure) {
    if (!isCurrent(stream)) return
    brokenInRow += 1
    if (brokenInRow === (wasOpen ? 1 : TRIES_AT_START)) {
      const what = wasOpen ? 'the stream broke' : 'the stream could not be opened yet'
      options.log.warn({ reason: failure.message }, what)
    }
    const delayMs = backoffMs(brokenInRow, BACKOFF)
    state = { at: 'waiting', timer: setTimeout(() => (state = openStream()), delayMs) }
    stream.cancel()
    options.onBroken(failure)
  }

  return {
    current: () => (state.at === 'open' ? state.stream : undefined),
    close() {
      const last = state
      state = { at: 'closed' }
      if (last.at === 'waiting') clearTimeout(last.timer)
      else if ('stream' in last) last.stream.cancel()
    },
  }
}
