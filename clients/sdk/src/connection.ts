// Staying connected: dial, answer the challenge, hand frames on, and after an end dial again with
// full jitter; until it is stopped, or the relay says something that trying again will not change.

import { RefusalCode, type Challenge, type Hello } from '@twotick/protocol'
import { backoffMs } from './backoff.ts'
import type { StopReason } from './errors.ts'
import { openLink, type DownFrame, type Link } from './link.ts'
import { PATIENCE_MAX_MS, PATIENCE_MS } from './patience.ts'

const FINAL: ReadonlyMap<RefusalCode, StopReason> = new Map([
  [RefusalCode.REPLACED, 'replaced'],
  [RefusalCode.UNLINKED, 'unlinked'],
  [RefusalCode.UPGRADE_REQUIRED, 'upgrade-required'],
  [RefusalCode.UNAUTHENTICATED, 'unauthenticated'],
])

/** How a connection ended: what the relay said, if it said anything. */
export interface LinkEnd {
  readonly code: RefusalCode
  readonly detail: string
  readonly retryAfterMs: number
}

interface ConnectionOptions {
  readonly url: string
  hello(challenge: Challenge): Promise<Hello>
  frame(frame: DownFrame, link: Link): void
  /** A link that had its Welcome is gone. */
  lost(end: LinkEnd): void
  /** The relay's last word: no further attempt is made. */
  final(reason: StopReason, end: LinkEnd): void
  /** By default a WebSocket. */
  readonly dial?: typeof openLink
}

export interface Connection {
  /** Ends the present link, if any, and dials at once. */
  redial(): void
  /** Ends everything. Nothing of the options is called afterwards. */
  stop(): void
}

/** For so long a Hello that had no answer may still open a session, behind a later one. */
const LATE_OPENING_MS = 60_000

const NO_WORD: LinkEnd = { code: RefusalCode.REFUSAL_CODE_UNSPECIFIED, detail: '', retryAfterMs: 0 }

export function stayConnected(options: ConnectionOptions): Connection {
  const { dial: open = openLink } = options
  let link: Link | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let isStopped = false
  let failures = 0
  const lateOpening = createLateOpening()
  const patience = createLinkPatience()

  function dial(): void {
    let end = NO_WORD
    let isWelcomed = false

    function frame(down: DownFrame, from: Link): void {
      if (isStopped || from !== link) return
      patience.heard(down)
      switch (down.$case) {
        case 'challenge':
          options.hello(down.value).then(
            (value) => (lateOpening.begins(), from.send({ $case: 'hello', value })),
            () => from.close(),
          )
          return
        case 'refused':
        case 'goodbye':
          end = down.value
          from.close()
          return
        case 'welcome':
          isWelcomed = true
          from.opened(down.value.limits?.silenceMs ?? 0)
          break
        case 'drained':
          failures = 0
      }
      if (isWelcomed) options.frame(down, from)
      else from.close()
    }

    function closed(isImpatient = false): void {
      if (isStopped) return
      link = undefined
      if (isImpatient) patience.exhausted(isWelcomed)
      if (isWelcomed) options.lost(end)
      const reason = lateOpening.explains(end, isWelcomed) ? undefined : FINAL.get(end.code)
      if (reason) options.final(reason, end)
      if (reason || isStopped) return
      timer = setTimeout(dial, backoffMs(++failures, end.retryAfterMs, Math.random))
    }

    link = open(options.url, { frame, closed }, patience.current())
  }

  dial()
  return {
    redial() {
      failures = 0
      if (link) return link.close()
      clearTimeout(timer)
      if (!isStopped) dial()
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
      link?.close()
    },
  }
}

/** Of the next link: twice as long where the one before met its end, until there is an answer. */
function createLinkPatience() {
  const patience = { openingMs: PATIENCE_MS, answerMs: PATIENCE_MS }
  return {
    current: () => ({ ...patience }),
    exhausted(isWelcomed: boolean): void {
      const which = isWelcomed ? 'answerMs' : 'openingMs'
      patience[which] = Math.min(2 * patience[which], PATIENCE_MAX_MS)
    },
    heard({ $case }: DownFrame): void {
      if ($case === 'welcome') patience.openingMs = PATIENCE_MS
      if ($case === 'stored' || $case === 'rejected') patience.answerMs = PATIENCE_MS
    },
  }
}

/**
 * A Hello without an answer, which may arrive all the same over a connection that is dead for us,
 * behind that of a later session; it ends that one as replaced, and is no reason to stay away.
 * Explains one such end.
 */
function createLateOpening() {
  let isUnderWay = false
  let givenUpAtMs = -Infinity
  return {
    begins: () => void (isUnderWay = true),
    /** Of each end of a link: whether it is a late opening's doing. */
    explains({ code }: LinkEnd, isWelcomed: boolean): boolean {
      if (isUnderWay && !isWelcomed) givenUpAtMs = Date.now()
      isUnderWay = false
      const explains = code === RefusalCode.REPLACED && Date.now() - givenUpAtMs < LATE_OPENING_MS
      if (explains) givenUpAtMs = -Infinity
      return explains
    },
  }
}
