// Signals (typing, presence): validated, published, forgotten. Nobody waits for one, and under load
// they are what is left out first.

import type { Bus } from '@twotick/chassis'
import { EnvelopeType, type SignalUp } from '@twotick/protocol'
import { SignalSent } from '@twotick/protocol/services'
import type { GatewayEvents } from './events.ts'
import type { OpenedSession } from './handshake.ts'
import type { Validation } from './writes.ts'

const SUBJECT = 'signal.sent'

/** Signals of all sessions on their way, beyond which new ones are left out. */
const IN_FLIGHT_MAX = 512

export interface Signals {
  send(from: Pick<OpenedSession, 'device' | 'clientVersion'>, signal: SignalUp): void
}

export function createSignals(parts: {
  validation: Validation
  bus: Bus
  events: GatewayEvents
  /** Whether sends need all there is. */
  isLoaded: () => boolean
}): Signals {
  const { validation, bus, events, isLoaded } = parts
  let inFlight = 0

  async function pass(
    { device, clientVersion }: Pick<OpenedSession, 'device' | 'clientVersion'>,
    signal: SignalUp,
  ) {
    const { accountId, ciphertext } = signal
    const verdict = await validation.validate({
      id: 0,
      sender: device,
      clientVersion,
      to: { to: { $case: 'accountId', value: accountId } },
      rosterVersion: 0,
      type: EnvelopeType.ENVELOPE_TYPE_UNSPECIFIED,
      lifetimeS: 0,
      bytes: ciphertext.length,
      parts: [],
      isSignal: true,
    })
    if (verdict?.outcome?.$case !== 'accepted') return
    const sent = SignalSent.encode({ sender: device, accountId, ciphertext }).finish()
    if (!bus.publish(SUBJECT, sent)) events.shed('signal')
  }

  return {
    send(from, signal) {
      if (inFlight >= IN_FLIGHT_MAX || isLoaded() || !bus.isConnected())
        return events.shed('signal')
      inFlight++
      void pass(from, signal).finally(() => inFlight--)
    },
  }
}
