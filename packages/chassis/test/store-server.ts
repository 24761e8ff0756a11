// An EnvelopeStore over real gRPC that answers as a test wants it: what it checks is the transport.

import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  EnvelopeStoreClient,
  EnvelopeStoreService,
  type Verdict,
  type WriteReply,
  type WriteRequest,
} from '@twotick/protocol/services'
import {
  batchStream,
  type CallContext,
  createLog,
  Failure,
  grpcClient,
  type GrpcServer,
  type Implementation,
  implement,
  type InFlightBounds,
  serveGrpc,
  type ServiceName,
} from '../src/index.ts'

export const log = createLog('test', 'silent')

const folder = mkdtempSync(join(tmpdir(), 'twotick-chassis-'))

export function secretFile(secret = 'a secret of the tests'): string {
  const file = join(folder, `${Buffer.from(secret).toString('hex')}.secret`)
  writeFileSync(file, `${secret}\n`)
  return file
}

type Store = Implementation<typeof EnvelopeStoreService>

const unanswered = () => Promise.reject(new Failure('UNAVAILABLE', 'not in this test'))

/** Serves the methods that the test gives; all others fail. */
export function serveStore(methods: Partial<Store>, address = '127.0.0.1:0'): Promise<GrpcServer> {
  const names = Object.keys(EnvelopeStoreService)
  const store = {
    ...Object.fromEntries(names.map((name) => [name, unanswered])),
    ...methods,
  } as Store
  const options = { listen: address, secretFile: secretFile(), drainMs: 1_000 }
  return serveGrpc(options, [implement(EnvelopeStoreService, store)], log)
}

export function storeClient(port: number, service: ServiceName, file = secretFile()) {
  return grpcClient(EnvelopeStoreClient, { target: `127.0.0.1:${port}`, service, secretFile: file })
}

/** A batch stream of acks, whose seq is the test's item. */
export function ackStream(
  client: EnvelopeStoreClient,
  options: Partial<InFlightBounds & Record<'holdsUp' | 'canWait', (seq: number) => boolean>> = {},
) {
  return batchStream({
    open: () => client.write(),
    frames: (items: readonly { id: number; item: number }[]): WriteRequest[] => [
      {
        epoch: 'e',
        appends: [],
        acks: items.map(({ id, item }) => ({
          id,
          device: undefined,
          seq: item,
          failed: [],
          names: [],
        })),
      },
    ],
    verdicts: (reply: WriteReply): Verdict[] => reply.verdicts,
    bytes: () => 16,
    log,
    deadlineMs: 1_000,
    inFlightMax: 1_000,
    inFlightBytesMax: 1_000_000,
    holdsUp: () => false,
    canWait: () => false,
    ...options,
  })
}

/** Answers each ack of a frame with its own seq. */
export function ackedReply(request: WriteRequest): WriteReply {
  return {
    epoch: request.epoch,
    verdicts: request.acks.map(({ id, seq }) => ({
      id,
      outcome: { $case: 'acked', value: { ackedSeq: seq } },
    })),
  }
}

export async function ackAll(
  request: WriteRequest,
  answer: (reply: WriteReply) => void,
  _context?: CallContext,
): Promise<void> {
  answer(ackedReply(request))
}

export function ackedSeq(verdict: Verdict): number | undefined {
  return verdict.outcome?.$case === 'acked' ? verdict.outcome.value.ackedSeq : undefined
}
