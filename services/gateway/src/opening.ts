// A session at the store. It is opened after the newest one that there was when the device said Hello,
// and only if that is still the newest: what a gateway has given up may be carried out at any time,
// and would otherwise end the session that the device has opened elsewhere meanwhile.
//
// It does not put two connections of a device in order. Where another session was opened since the
// look, this one is opened after that: the other one may be an opening that was given up, and has
// nobody. It may also be of a newer connection of the device, where this one is dead and the gateway
// does not know yet; then the newer session ends as replaced. That can happen while a gateway is at
// work on a Hello (`answerMs`) and no later, and the device knows what to think of it (protocol, §3).
//
// The look goes out with the authentication and not after it, or every opening would take one round
// trip more. It costs the store one read for whoever says Hello, as that costs the directory.

import { unary } from '@twotick/chassis'
import { type DeviceAddress, type Refusal, RefusalCode } from '@twotick/protocol'
import type { EnvelopeStoreClient, SessionOpened } from '@twotick/protocol/services'
import type { Epochs } from './epoch.ts'

/** Two connections of one device at once; or one more, if an older opening came late. */
const ATTEMPTS_MAX = 4

export interface OpenedAtStore extends SessionOpened {
  readonly epoch: string
}

interface OpeningParts {
  readonly store: EnvelopeStoreClient
  readonly epochs: Epochs
  /** When all its calls must have been answered (performance.now()). */
  readonly answerBy: number
}

/** Looks which session is the newest, while the device is still being authenticated. */
export function beginOpening(device: DeviceAddress, { store, epochs, answerBy }: OpeningParts) {
  const inTime = () => ({ deadlineMs: Math.max(1, answerBy - performance.now()) })
  const looking = unary(store, 'getHeads', { epoch: '', devices: [device] }, inTime())
  looking.catch(() => undefined) // thrown where it is awaited, if it is

  return {
    /**
     * Undefined: the device is gone, and nothing was opened for it any more. Throws where the store
     * does not answer, or where others are always quicker.
     */
    async open(isGone: () => boolean): Promise<OpenedAtStore | Refusal | undefined> {
      let afterSession = (await looking).heads[0]?.session ?? 0
      for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
        if (isGone()) return undefined
        const request = { epoch: '', device, afterSession }
        const { epoch, outcome } = await unary(store, 'openSession', request, inTime())
        epochs.meet(epoch)
        if (outcome === undefined) throw new Error('an answer without an outcome')
        if (outcome.$case === 'opened') return { epoch, ...outcome.value }
        // Listed by the directory, and without a cursor: its unlinking is half done.
        if (outcome.$case === 'refusal') return UNKNOWN_DEVICE
        afterSession = outcome.value
      }
      throw new Error('other sessions of the device were opened meanwhile')
    },
  }
}

const UNKNOWN_DEVICE = { code: RefusalCode.UNAUTHENTICATED, detail: '', retryAfterMs: 0 }
