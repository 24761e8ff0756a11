// What a session asks others for its device: status queries and requests to the directory. Bounded in
// number; and a device is not left waiting: what cannot be answered in time ends its session.

import { type Refusal, RefusalCode } from '@twotick/protocol'
import type { GatewayEvents } from './events.ts'
import { jittered } from './goodbye.ts'

/** Without an answer, of each kind. */
const MAX = { 'status query': 4, request: 16 }

const RETRY_AFTER_MS = 1_000

export type QuestionKind = keyof typeof MAX

export interface Questions {
  ask(kind: QuestionKind, answer: () => Promise<void>): void
}

export function createQuestions(
  events: GatewayEvents,
  { end, isEnded }: { end: (why: Refusal) => void; isEnded: () => boolean },
): Questions {
  const counts = { 'status query': 0, request: 0 }

  async function ask(kind: QuestionKind, answer: () => Promise<void>) {
    if (counts[kind] >= MAX[kind]) {
      return end({ code: RefusalCode.MALFORMED, detail: `too many: ${kind}`, retryAfterMs: 0 })
    }
    counts[kind]++
    try {
      await answer()
    } catch (error) {
      if (isEnded()) return
      events.failed(`no answer to a ${kind}`, error)
      const retryAfterMs = jittered(RETRY_AFTER_MS)
      end({ code: RefusalCode.UNAVAILABLE, detail: `no answer to a ${kind}`, retryAfterMs })
    } finally {
      counts[kind]--
    }
  }

  return { ask: (kind, answer) => void ask(kind, answer) }
}
