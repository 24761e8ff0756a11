// Which sends are traced: a share of all, and those for which a device asks that the operator has
// allowed to. A trace is a record of who sends when, so nobody else's wish counts.

import {
  beginTrace,
  continueTrace,
  createAccountMarks,
  SpanKind,
  type SpanOptions,
  type TraceSpan,
} from '@twotick/chassis'
import type { Rejected, Send } from '@twotick/protocol'
import { RefusalCode } from '@twotick/protocol'

export const GATEWAY = 'gateway'

const MINUTE_MS = 60_000

/** What stands for an account in this gateway's spans. */
export const markOfAccount = createAccountMarks()

export interface TraceRules {
  /** Of all sends, 0 to 1. */
  readonly ratio: number
  /** Accounts that may ask for a trace; `*` stands for all. */
  readonly accountIds: ReadonlySet<string>
  /** What one account may ask for; this gateway's count. */
  readonly perMinuteMax: number
}

export interface SendTraces {
  /** Begins the send's trace, if it has one; from here on `send.trace` says so. */
  begin(send: Send, accountId: string): void
  /** It was answered; so was everything of this session before it. */
  stored(no: number): void
  rejected(rejected: Rejected): void
  close(): void
}

export type OpenSendTraces = () => SendTraces

export function createSendTraces(rules: TraceRules): OpenSendTraces {
  const isGranted = createGrants(rules)

  function span(send: Send, accountId: string): TraceSpan | undefined {
    const { trace } = send
    if (trace !== undefined && isGranted(accountId)) {
      return continueTrace(GATEWAY, 'send', { ...about(send, accountId), parent: trace })
    }
    if (rules.ratio === 0 || Math.random() >= rules.ratio) return undefined
    return beginTrace(GATEWAY, 'send', about(send, accountId))
  }

  return () => {
    const open = new Map<number, TraceSpan>()
    function end(no: number, event: string, problem?: string) {
      open.get(no)?.event(event)
      open.get(no)?.end(problem)
      open.delete(no)
    }
    return {
      begin(send, accountId) {
        const begun = span(send, accountId)
        if (begun !== undefined) open.set(send.no, begun)
        if (begun?.context !== send.trace) send.trace = begun?.context
      },
      stored(no) {
        if (open.size > 0) end(no, 'first tick')
      },
      rejected({ no, code }) {
        const found = Object.entries(RefusalCode).find(([, value]) => value === code)
        if (open.size > 0) end(no, 'rejected', found?.[0] ?? 'unknown')
      },
      close() {
        for (const no of [...open.keys()]) end(no, 'session ended', 'no answer')
      },
    }
  }
}

function about({ no }: Send, accountId: string): SpanOptions {
  const attributes = { 'twotick.send.no': no, 'twotick.sender': markOfAccount(accountId) }
  return { kind: SpanKind.SERVER, attributes }
}

function createGrants({ accountIds, perMinuteMax }: TraceRules) {
  const counts = new Map<string, number>()
  let minute = 0
  return (accountId: string) => {
    if (!accountIds.has('*') && !accountIds.has(accountId)) return false
    const now = Math.floor(performance.now() / MINUTE_MS)
    if (now !== minute) counts.clear()
    minute = now
    const count = (counts.get(accountId) ?? 0) + 1
    counts.set(accountId, count)
    return count <= perMinuteMax
  }
}

/** Runs a call to another service as a span of the envelope's trace. */
export async function traceCall<T>(
  method: string,
  parent: Uint8Array,
  call: (context: Uint8Array) => Promise<T>,
): Promise<T> {
  const service =
    method === 'validate' ? 'twotick.v1.MetadataValidation' : 'twotick.v1.EnvelopeStore'
  const span = continueTrace(GATEWAY, method, {
    parent,
    kind: SpanKind.CLIENT,
    attributes: {
      'rpc.system.name': 'grpc',
      'rpc.method': `${service}/${method === 'validate' ? 'Validate' : 'Write'}`,
    },
  })
  try {
    if (span === undefined) return await call(parent)
    return await span.within(() => call(span.context))
  } finally {
    span?.end()
  }
}
