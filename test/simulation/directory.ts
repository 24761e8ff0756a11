// What the core needs of metadata-validation: who is listed, and the step that a link or an unlink
// still needs at the store. Rosters are compared by the service's own rule.

import { type AccountId, addressKey, type DeviceAddress, RefusalCode } from '@twotick/protocol'
import type { Address, Contact, Device, Refusal } from '@twotick/protocol'
import {
  type AskRequest,
  type AuthenticateRequest,
  type DirectoryReply,
  type Pending,
  PendingKind,
  type SendMetadata,
  type SendVerdict,
} from '@twotick/protocol/services'
import {
  compareRoster,
  directRosterVersion,
} from '../../services/metadata-validation/src/roster.ts'

const LIFETIME_S = 600

interface Listed {
  readonly address: DeviceAddress
  intent: 'adding' | 'active' | 'removing'
}

interface Account {
  readonly accountId: AccountId
  readonly devices: Map<number, Listed>
  version: number
}

export interface DirectoryOptions {
  /** A device is listed from now on. */
  readonly linked: (device: DeviceAddress) => void
  readonly unlisted: (device: DeviceAddress) => void
}

export type SimulatedDirectory = ReturnType<typeof createDirectory>

export function createDirectory({ linked, unlisted }: DirectoryOptions) {
  const accounts = new Map<string, Account>()
  const rules = { refuse: 0 }
  /** By the list of recipients that a send was accepted for: their devices at that moment. */
  const listedFor = new WeakMap<readonly string[], readonly DeviceAddress[]>()

  const active = ({ devices }: Account) =>
    [...devices.values()].filter(({ intent }) => intent === 'active').map(({ address }) => address)

  function validate(send: Omit<SendMetadata, 'id'>): SendVerdict {
    const refused = (code: RefusalCode, roster?: SendVerdict['roster']): SendVerdict => ({
      id: 0,
      outcome: { $case: 'refusal', value: refusal(code) },
      roster,
    })
    const sender = accounts.get(send.sender?.accountId ?? '')
    const to = send.to?.to?.$case === 'accountId' ? accounts.get(send.to.to.value) : undefined
    const sending = active(sender ?? NOBODY).find((each) => isSame(each, send.sender))
    if (!sender || !sending) return refused(RefusalCode.UNLINKED)
    if (!to || rules.refuse > 0) {
      rules.refuse = Math.max(0, rules.refuse - 1)
      return refused(RefusalCode.UNKNOWN_RECIPIENT)
    }
    const known = (account: Account) => ({
      ...{ accountId: account.accountId, devicesVersion: account.version },
      deviceIds: active(account).map(({ deviceId }) => deviceId),
    })
    const rosterVersion = directRosterVersion(to.version, sender.version)
    const current = { recipients: [known(to)], sender: known(sender), isGroup: false }
    const difference = compareRoster(send, sending, { ...current, rosterVersion } as never)
    if (difference) return refused(RefusalCode.ROSTER_STALE, difference)
    const others = active(sender).filter((each) => !isSame(each, sending))
    const recipientAccountIds: string[] = [to.accountId]
    listedFor.set(recipientAccountIds, [...active(to), ...others])
    const value = { recipientAccountIds, lifetimeS: send.lifetimeS || LIFETIME_S }
    return { id: 0, outcome: { $case: 'accepted', value }, roster: undefined }
  }

  function ask({ asker, request }: AskRequest): DirectoryReply {
    const requestId = request?.requestId ?? 0
    const own = accounts.get(asker?.accountId ?? '')
    const body = request?.body
    const by = body?.$case === 'lookUp' ? body.value.by?.value : undefined
    const account = accounts.get(by ?? '')
    const response =
      own && account
        ? { requestId, body: { $case: 'contact', value: contact(account, own) } as const }
        : { requestId, body: { $case: 'refusal', value: refusal(RefusalCode.NOT_FOUND) } as const }
    return { pending: undefined, response, refusal: undefined, address: undefined }
  }

  function contact(account: Account, own: Account): Contact {
    const rosterVersion = directRosterVersion(account.version, own.version)
    const base = { accountId: account.accountId, handle: '', dormant: false, rosterVersion }
    return { ...base, devices: active(account).map(shown), ownDevices: active(own).map(shown) }
  }

  function finishPending({ pending }: { pending: Pending | undefined }) {
    const account = accounts.get(pending?.device?.accountId ?? '')
    const listed = account?.devices.get(pending?.device?.deviceId ?? 0)
    if (!account || !listed || !pending) return {}
    if (pending.kind === PendingKind.ADDING_DEVICE && listed.intent === 'adding') {
      listed.intent = 'active'
      account.version += 1
      linked(listed.address)
    }
    if (pending.kind === PendingKind.REMOVING_DEVICE && listed.intent === 'removing') {
      account.devices.delete(listed.address.deviceId)
    }
    return {}
  }

  function pending(): Pending[] {
    return [...accounts.values()].flatMap(({ devices }) =>
      [...devices.values()].flatMap(({ address, intent }) => pendingFor(address, intent)),
    )
  }

  return {
    rules,
    validate,
    listedFor: (recipients: readonly string[]) => listedFor.get(recipients) ?? [],
    pending,
    answers: { ask, finishPending, authenticate: authenticated(accounts) },
    active: (accountId: string) => active(accounts.get(accountId) ?? NOBODY),

    /** An account whose mailbox is there already. */
    addAccount(accountId: AccountId, deviceCount: number): DeviceAddress[] {
      const addresses = Array.from({ length: deviceCount }, (_, at) => ({
        accountId,
        deviceId: at + 1,
      }))
      const devices = addresses.map((address): [number, Listed] => [
        address.deviceId,
        { address, intent: 'active' },
      ])
      accounts.set(accountId, { accountId, devices: new Map(devices), version: 1 })
      return addresses
    },
    /** Begins to link the next device. */
    link(accountId: AccountId, deviceId: number): Pending {
      const address = { accountId, deviceId }
      accounts.get(accountId)?.devices.set(deviceId, { address, intent: 'adding' })
      return { kind: PendingKind.ADDING_DEVICE, device: address, evictedDeviceId: 0 }
    },
    /** Begins to unlink a device: it is in no roster from now on. */
    unlink(address: DeviceAddress): Pending | undefined {
      const account = accounts.get(address.accountId)
      const listed = account?.devices.get(address.deviceId)
      if (!account || listed?.intent !== 'active') return undefined
      listed.intent = 'removing'
      account.version += 1
      unlisted(address)
      return { kind: PendingKind.REMOVING_DEVICE, device: address, evictedDeviceId: 0 }
    },
  }
}

const NOBODY: Account = { accountId: '' as AccountId, devices: new Map(), version: 0 }

function pendingFor(device: DeviceAddress, intent: Listed['intent']): Pending[] {
  if (intent === 'active') return []
  const isAdding = intent === 'adding'
  const kind = isAdding ? PendingKind.ADDING_DEVICE : PendingKind.REMOVING_DEVICE
  return [{ kind, device, evictedDeviceId: 0 }]
}

function authenticated(accounts: ReadonlyMap<string, Account>) {
  return ({ address }: AuthenticateRequest) => {
    const listed = accounts.get(address?.accountId ?? '')?.devices.get(address?.deviceId ?? 0)
    return listed?.intent === 'active'
      ? { outcome: { $case: 'authenticated' as const, value: {} } }
      : { outcome: { $case: 'refusal' as const, value: refusal(RefusalCode.UNAUTHENTICATED) } }
  }
}

function shown(address: DeviceAddress): Device {
  return { address, publicKey: NOTHING, primary: address.deviceId === 1, name: '', seenAtMs: 0 }
}

const NOTHING = new Uint8Array()

function refusal(code: RefusalCode): Refusal {
  return { code, detail: '', retryAfterMs: 0 }
}

function isSame(one: DeviceAddress, other: Address | undefined): boolean {
  return other !== undefined && addressKey(one) === addressKey(other)
}
