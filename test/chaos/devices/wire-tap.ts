// Writes what passes a device's wire into its history, whatever the device itself thinks of it: what
// it was welcomed with, what it was pushed, what it acknowledged, how long it had to wait.
//
// The SDK dials with the global WebSocket; this stands in its place and finds the device's history
// by the query of the URL that it dials.

import { addressKey, Down, type Entry, Up } from '@twotick/protocol'
import { refusalName } from '@twotick/sdk'
import type { DeviceHistory } from './history-file.ts'

const LONG_WAIT_MS = 500

const histories = new Map<string, DeviceHistory>()

/** The URL for the device of this key: its connections are recorded from now on. */
export function tapped(url: string, key: string, history: DeviceHistory): string {
  histories.set(key, history)
  return `${url}/?device=${key}`
}

export function untap(key: string): void {
  histories.delete(key)
}

/** From now on every WebSocket of this process is tapped, if its URL names a device. */
export function installTap(): void {
  globalThis.WebSocket = TappedWebSocket
}

class TappedWebSocket extends WebSocket {
  readonly #tap: Tap | undefined

  constructor(url: string | URL, protocols?: ConstructorParameters<typeof WebSocket>[1]) {
    super(url, protocols)
    const history = histories.get(new URL(url).searchParams.get('device') ?? '')
    if (history === undefined) return
    const tap = createTap(history)
    this.#tap = tap
    this.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) tap.down(Down.decode(new Uint8Array(data)).frame)
    })
    for (const end of ['close', 'error']) this.addEventListener(end, () => tap.ended('no word'))
  }

  override send(data: Parameters<WebSocket['send']>[0]): void {
    if (data instanceof Uint8Array) this.#tap?.up(decodeUp(data))
    super.send(data)
  }

  override close(code?: number, reason?: string): void {
    this.#tap?.ended('the device')
    super.close(code, reason)
  }
}

/** Undefined: it is no frame; an unruly device sends such. */
function decodeUp(bytes: Uint8Array): Up['frame'] {
  try {
    return Up.decode(bytes).frame
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}

type Tap = ReturnType<typeof createTap>

function createTap(history: DeviceHistory) {
  const waits = createWaits(history)
  let isEnded = false

  function ended(by: string): void {
    if (isEnded) return
    isEnded = true
    waits.ended()
    history.record({ at: 'ended', by })
  }

  return {
    up(frame: Up['frame']): void {
      if (frame?.$case === 'ack') history.record({ at: 'ack', seq: frame.value.seq })
      if (frame?.$case === 'send') waits.sent(frame.value.no)
      if (frame?.$case === 'hello') waits.helloSaid()
    },
    down(frame: Down['frame']): void {
      switch (frame?.$case) {
        case 'challenge':
          return waits.challenged()
        case 'welcome': {
          const { session, epoch, ackedSeq } = frame.value
          history.record({ at: 'welcome', session, epoch, ackedSeq })
          return waits.welcomed()
        }
        case 'refused':
        case 'goodbye':
          return ended(refusalName(frame.value.code))
        case 'deliver':
          return recordPushed(history, frame.value.entries)
        case 'missed':
          return history.record({ at: 'missed', ...frame.value })
        case 'stored':
          return waits.answered(frame.value.lastNo)
        case 'rejected':
          return waits.answered(frame.value.no)
      }
    },
    ended,
  }
}

function recordPushed(history: DeviceHistory, entries: readonly Entry[]): void {
  const [first] = entries
  if (first === undefined) return
  const of = entries.map(({ content }) => {
    if (content?.$case !== 'envelope' || !content.value.sender) return ''
    return `${addressKey(content.value.sender)}#${content.value.no}`
  })
  history.record({ at: 'pushed', firstSeq: first.seq, of })
}

/**
 * How long nothing was answered: while sends were without an answer, and until the Welcome; there not
 * the time that the device itself takes for its Hello, which some never say.
 */
function createWaits(history: DeviceHistory) {
  let isWelcomed = false
  let owedMs = 0
  let owedSince: number | undefined = performance.now()
  let answeredAt = -Infinity
  let unanswered: { readonly no: number; readonly sentAt: number }[] = []

  function record(what: 'send' | 'welcome', waitedMs: number): void {
    const ms = Math.round(waitedMs)
    if (ms >= LONG_WAIT_MS) history.record({ at: 'waited', ms, what })
  }

  function challenged(): void {
    if (owedSince !== undefined) owedMs += performance.now() - owedSince
    owedSince = undefined
  }

  function welcomed(): void {
    challenged()
    if (!isWelcomed) record('welcome', owedMs)
    isWelcomed = true
  }

  function answered(no: number): void {
    const through = unanswered.filter((each) => each.no <= no)
    if (through[0]) {
      const nowMs = performance.now()
      record('send', nowMs - Math.max(through[0].sentAt, answeredAt))
      answeredAt = nowMs
    }
    unanswered = unanswered.filter((each) => each.no > no)
  }

  return {
    challenged,
    helloSaid: () => void (owedSince ??= performance.now()),
    welcomed,
    sent: (no: number) => void unanswered.push({ no, sentAt: performance.now() }),
    answered,
    ended(): void {
      welcomed()
      answered(Infinity)
    },
  }
}
