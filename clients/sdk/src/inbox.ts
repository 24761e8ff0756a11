// The inbox: messages that are durable here, in the order they came, each until a handler has had
// it. A handler that fails is called again after a while; what comes behind waits, so that the order
// holds. What a crash interrupts is handed out again after it.

import type { Message, Row } from './storage.ts'
import type { Step } from './turn.ts'

const RETRY_FIRST_MS = 1_000
const RETRY_MAX_MS = 60_000

export type MessageHandler = (message: Message) => unknown

interface InboxOptions {
  readonly rows: readonly Row<'inbox'>[]
  readonly enter: (step: Step) => Promise<void>
  readonly handled: (message: Message) => void
  readonly failed: (message: Message, cause: unknown) => void
}

export interface Inbox {
  /** Messages that no handler has had yet. */
  count(): number
  add(key: string, message: Message): void
  /** Adds a handler; every message is handed to each, and waits until there is one. */
  handle(handler: MessageHandler): () => void
  /** Hands out nothing more; resolves when no handler is at work. */
  stop(): Promise<void>
}

export function createInbox({ rows, enter, handled, failed }: InboxOptions): Inbox {
  const waiting = rows.map(({ key, value }) => ({ key, message: value }))
  const handlers = new Set<MessageHandler>()
  const stopping = new AbortController()
  let running: Promise<void> | undefined

  async function handOut(): Promise<void> {
    let retryMs = RETRY_FIRST_MS
    while (waiting[0] && handlers.size > 0 && !stopping.signal.aborted) {
      const { key, message } = waiting[0]
      try {
        for (const handler of [...handlers]) await handler(message)
      } catch (cause) {
        failed(message, cause)
        await pause(retryMs, stopping.signal)
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)
        continue
      }
      retryMs = RETRY_FIRST_MS
      waiting.shift()
      const marked = enter((turn) => {
        turn.put('inbox', key, undefined)
        turn.after(() => handled(message))
      })
      // A storage that fails stops the whole device, which says so itself.
      marked.catch(() => stopping.abort())
    }
  }

  function run(): void {
    if (running || !waiting[0] || handlers.size === 0 || stopping.signal.aborted) return
    // And again: something may have come between its last look and its end.
    running = handOut().finally(() => {
      running = undefined
      run()
    })
  }

  return {
    count: () => waiting.length,
    add(key, message) {
      waiting.push({ key, message })
      run()
    },
    handle(handler) {
      handlers.add(handler)
      run()
      return () => handlers.delete(handler)
    },
    async stop() {
      stopping.abort()
      await running
    },
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    if (signal.aborted) resolve()
  })
}
