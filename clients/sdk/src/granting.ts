// Wishes become attempts: whatever is to be sent again is encoded anew, naming the original, and
// numbered. Needs the directory for rosters, so it works while there is a connection.

import { RefusalCode } from '@twotick/protocol'
import type { Address } from '@twotick/protocol'
import { enterGivenUp, isMoot, type RefusedSend, WAIT_MS_MAX } from './again.ts'
import { dropWish, type Book, type Happening } from './book.ts'
import type { Codec } from './codec.ts'
import { encode } from './encode.ts'
import { RefusedError } from './errors.ts'
import type { Rosters } from './rosters.ts'
import type { Sender } from './sender.ts'
import { numberKey, type OutgoingMessage, type Storage, type Wish } from './storage.ts'
import type { Step } from './turn.ts'

const RETRY_MS = 5_000

interface GrantingOptions {
  readonly own: Address
  readonly codec: Codec
  readonly rosters: Rosters
  readonly sender: Sender
  readonly book: Book
  readonly storage: Storage
  readonly enter: (step: Step) => Promise<void>
  readonly announce: (happenings: readonly Happening[]) => void
}

export type Granting = ReturnType<typeof createGranting>

export function createGranting(options: GrantingOptions) {
  const { book } = options
  let isRunning = false
  let isPaused = false
  let isStopped = false
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Goes through the wishes that are due. What fails is tried later, and holds up no other. */
  async function grantAll(): Promise<void> {
    isRunning = true
    for (const wish of book.wishes.values()) {
      if (isStopped) break
      if (!isDue(wish, book.now())) continue
      try {
        await grant(wish, options)
      } catch {
        // It is still a wish: without a connection, or the codec cannot encode it yet.
        isPaused = true
      }
    }
    isRunning = false
    if (book.wishes.size > 0 && !isStopped) timer ??= setTimeout(resume, RETRY_MS)
  }

  function resume(): void {
    clearTimeout(timer)
    timer = undefined
    isPaused = false
    run()
  }

  function run(): void {
    if (isRunning || isPaused || isStopped || book.wishes.size === 0) return
    void grantAll()
  }

  return {
    run,
    /** There is a connection (again): no need to wait. */
    connected: resume,
    stop(): void {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

/** No wish waits for longer than that: one that would was made under another clock. */
function isDue({ notBeforeMs }: Wish, nowMs: number): boolean {
  return notBeforeMs <= nowMs || notBeforeMs > nowMs + WAIT_MS_MAX
}

async function grant(wish: Wish, options: GrantingOptions): Promise<void> {
  const { book, storage, sender, enter } = options
  const message = book.messages.get(wish.messageNo)
  const body = await storage.read('body', numberKey(wish.messageNo))
  if (!message || !body) return giveUp(wish, options, 'what it said is not kept any more')
  const draft = await tryEncode(wish, message, { ...options, body })
  if (draft === undefined) return giveUp(wish, options, 'its device is gone')
  if (draft instanceof RefusedError) return giveUp(wish, options, draft)
  const { accountId, deviceIds, rosterTries = 0 } = wish
  await enter((turn) => {
    const entering = { book, turn, happenings: [] }
    if (isMoot(book, wish)) dropWish(entering, wish)
    else sender.addAgain(turn, wish, { ...draft, again: { accountId, deviceIds, rosterTries } })
  })
}

async function tryEncode(
  { accountId, deviceIds }: Wish,
  message: OutgoingMessage,
  options: GrantingOptions & { body: Uint8Array },
) {
  const { type, lifetimeS, no } = message
  const conversation = 'conversation' in message.to && message.to.conversation
  const original = { deviceId: options.own.deviceId, no, ...(conversation && { conversation }) }
  const to = accountId === '' ? message.to : { account: accountId }
  const content = { body: options.body, original }
  try {
    return await encode({ to, type, lifetimeS, content, deviceIds }, options)
  } catch (error) {
    if (error instanceof RefusedError) return error
    throw error
  }
}

async function giveUp(
  wish: Wish,
  { book, enter, announce }: GrantingOptions,
  why: string | RefusedError,
): Promise<void> {
  const unspecific = { code: RefusalCode.UNKNOWN_RECIPIENT, retryAfterMs: 0 }
  const refusal: RefusedSend =
    typeof why === 'string'
      ? { ...unspecific, detail: why }
      : { code: why.code, detail: why.detail, retryAfterMs: why.retryAfterMs }
  await enter((turn) => {
    const happenings: Happening[] = []
    enterGivenUp({ book, turn, happenings }, wish, refusal)
    turn.after(() => announce(happenings))
  })
}
