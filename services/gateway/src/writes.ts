// The way to the store for appends and acks of all sessions, and to the validation for their sends:
// one batched stream each.

import { batchStream, Failure, type Logger, type Numbered } from '@twotick/chassis'
import type {
  AckWrite,
  Append,
  EnvelopeStoreClient,
  MetadataValidationClient,
  SendMetadata,
  SendVerdict,
  Verdict,
  WriteRequest,
} from '@twotick/protocol/services'
import type { Epochs } from './epoch.ts'

export interface StreamBounds {
  readonly deadlineMs: number
  readonly inFlightMax: number
  readonly inFlightBytesMax: number
  readonly log: Logger
}

/** What the store says of a write; or nobody can say; or it surely did not get there. */
export type Outcome = NonNullable<Verdict['outcome']> | { $case: 'unsent' }

export interface Writes {
  /** The message is the stream's from now on, which gives it its id. */
  append(epoch: string, append: Append): Promise<Outcome>
  /** The message is the stream's from now on, which gives it its id. */
  ack(epoch: string, ack: AckWrite): Promise<Outcome>
  close(): void
}

type Write = { readonly epoch: string } & ({ readonly append: Append } | { readonly ack: AckWrite })

/** Before a write whose outcome is unknown is repeated. */
const REPEAT_MS = 100

const UNSENT: Outcome = { $case: 'unsent' }
const UNKNOWN: Outcome = { $case: 'unknown', value: { retryAfterMs: REPEAT_MS } }

export function openWrites(
  store: EnvelopeStoreClient,
  epochs: Epochs,
  bounds: StreamBounds,
): Writes {
  const stream = batchStream({
    ...bounds,
    open: () => store.write(),
    frames: writeFrames,
    verdicts(reply) {
      epochs.meet(reply.epoch)
      return reply.verdicts
    },
    bytes: writeBytes,
    // A frame is one transaction's, as a rule, and what comes during it waits for the next one in any
    // case. Acks that fail entries have transactions of their own, and a queue to wait in.
    holdsUp: (write) => !('ack' in write && write.ack.failed.length > 0),
    canWait: (write) => 'ack' in write,
  })

  const write = (item: Write) => stream.send(item).then(outcomeOf, outcomeOfFailure)

  return {
    append: (epoch, append) => write({ epoch, append }),
    ack: (epoch, ack) => write({ epoch, ack }),
    close: () => stream.close(),
  }
}

function outcomeOf({ outcome }: Verdict): Outcome {
  return outcome ?? UNKNOWN
}

function outcomeOfFailure(error: unknown): Outcome {
  if (!(error instanceof Failure)) throw error
  return error.hadNoEffect ? UNSENT : UNKNOWN
}

/** A frame has one epoch: as a rule there is one. */
function writeFrames(items: readonly Numbered<Write>[]) {
  const frames: WriteRequest[] = []
  for (const { id, item } of items) {
    let frame = frames.at(-1)
    if (frame?.epoch !== item.epoch) {
      frame = { epoch: item.epoch, appends: [], acks: [] }
      frames.push(frame)
    }
    // In place: V8 copies what is spread behind a first field one by one.
    if ('append' in item) frame.appends.push(withId(item.append, id))
    else frame.acks.push(withId(item.ack, id))
  }
  return frames
}

function withId<T extends { id: number }>(message: T, id: number): T {
  message.id = id
  return message
}

function writeBytes(write: Write): number {
  if ('ack' in write) return 64 + 64 * write.ack.names.length
  const { ciphertext, parts, recipientAccountIds } = write.append
  const bytes = 192 + ciphertext.length + 40 * recipientAccountIds.length
  return parts.reduce((sum, part) => sum + part.ciphertext.length + 48, bytes)
}

export interface Validation {
  /**
   * The message is the stream's from now on, which gives it its id. Undefined: there was no verdict in
   * time.
   */
  validate(metadata: SendMetadata): Promise<SendVerdict | undefined>
  close(): void
}

export function openValidation(
  validation: MetadataValidationClient,
  bounds: StreamBounds,
): Validation {
  const stream = batchStream({
    ...bounds,
    open: () => validation.validate(),
    frames: (items: readonly Numbered<SendMetadata>[]) => [
      { sends: items.map(({ id, item }) => withId(item, id)) },
    ],
    verdicts: (reply) => reply.verdicts,
    bytes: ({ parts }) => 192 + 44 * parts.length,
    // One send whose roster has to be read holds up no other.
    holdsUp: () => false,
    canWait: () => false,
  })
  return {
    validate: (metadata) => stream.send(metadata).catch(noVerdict),
    close: () => stream.close(),
  }
}

function noVerdict(error: unknown): undefined {
  if (!(error instanceof Failure)) throw error
  return undefined
}
