// What a directory request is answered: a response, perhaps with a step that the store must take
// before the response may be handed on.

import { type DeviceAddress, type Device, type RefusalCode, type Response } from '@twotick/protocol'
import { type Pending, PendingKind } from '@twotick/protocol/services'
import { refuse } from './refuse.ts'

export interface Answer {
  readonly body: NonNullable<Response['body']>
  readonly pending?: Pending | undefined
}

export const DONE: Answer = { body: { $case: 'done', value: {} } }

export function refused(code: RefusalCode, detail = '', retryAfterMs = 0): Answer {
  return { body: { $case: 'refusal', value: refuse(code, detail, retryAfterMs) } }
}

export function deviceList(devices: Device[]): Answer {
  return { body: { $case: 'deviceList', value: { devices } } }
}

/** A step for a device; `evictedDeviceId` only with REPLACING_DEVICE. */
export function pendingFor(kind: PendingKind, device: DeviceAddress, evictedDeviceId = 0): Pending {
  return { kind, device, evictedDeviceId }
}

export function deleting({ accountId }: Pick<DeviceAddress, 'accountId'>): Pending {
  return {
    kind: PendingKind.DELETING_ACCOUNT,
    device: { accountId, deviceId: 0 },
    evictedDeviceId: 0,
  }
}
