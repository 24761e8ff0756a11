// What the core needs of metadata-validation: who is listed, and the step that a link or an unlink
// still needs at the store. Rosters are compared by the service's own rule.

import { type AccountId, addressKey, type DeviceAddress, RefusalCode } from '@twotick/protocol'
import type { Address, Contact, Conversation, Device, Refusal } from '@twotick/protocol'
import {
  type AskRequest,
  type AuthenticateRequest,
  type DirectoryReply,
  type Pending,
  PendingKind,
  type SendMetadata,
  type SendVerdict,
} from '@twotick/protocol/services'
import { compareRoster } from '../../services/metadata-validation/src/roster.ts'

const LIFETIME_S = 600

interface Listed {
  readonly address: DeviceAddress
  intent: 'adding' | 'active' | 'removing'
  /** The device whose place it takes. */
  readonly evicts?: number
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
  const deleting = new Map<string, Pending>()
  const rules = { refuse: 0 }
  let deleted = 0
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
    const to = recipientsOf(send.to, sender)
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
    const isGroup = send.to?.to?.$case === 'conversationId'
    const rosterVersion = versionOf([sender, ...to])
    const current = { recipients: to.map(known), sender: known(sender), isGroup }
    const difference = compareRoster(send, sending, { ...current, rosterVersion } as never)
    if (difference) return refused(RefusalCode.ROSTER_STALE, difference)
    const others = active(sender).filter((each) => !isSame(each, sending))
    const recipientAccountIds: string[] = to.map(({ accountId }) => accountId)
    listedFor.set(recipientAccountIds, [...to.flatMap(active), ...others])
    const value = { recipientAccountIds, lifetimeS: send.lifetimeS || LIFETIME_S }
    return { id: 0, outcome: { $case: 'accepted', value }, roster: undefined }
  }

  function ask({ asker, request }: AskRequest): DirectoryReply {
    const requestId = request?.requestId ?? 0
    const own = accounts.get(asker?.accountId ?? '')
    const body = request?.body
    const response = { requestId, body: (own && answer(body, own)) ?? NOT_FOUND }
    return { pending: undefined, response, refusal: undefined, address: undefined }
  }

  function answer(body: Asked, own: Account) {
    if (body?.$case === 'getConversation') {
      return { $case: 'conversation' as const, value: conversation() }
    }
    const account = accounts.get((body?.$case === 'lookUp' && body.value.by?.value) || '')
    return account && { $case: 'contact' as const, value: contact(account, own) }
  }

  /** The one group, of everybody who is left. */
  function conversation(): Conversation {
    const all = [...accounts.values()]
    const members = all.map((account) => ({
      ...{ accountId: account.accountId, handle: '', dormant: false },
      devices: active(account).map(shown),
    }))
    return { conversationId: GROUP_ID, rosterVersion: versionOf(all), members }
  }

  /** To whom it goes; undefined: to nobody who is there. */
  function recipientsOf(to: SendMetadata['to'], sender: Account | undefined) {
    if (to?.to?.$case === 'conversationId') {
      const others = [...accounts.values()].filter((account) => account !== sender)
      return others.length > 0 ? others : undefined
    }
    const account = accounts.get(to?.to?.value ?? '')
    return account && [account]
  }

  /** Grows with each change of anybody's devices, and with each account that goes. */
  function versionOf(involved: readonly Account[]): number {
    return deleted + involved.reduce((sum, { version }) => sum + version, 0)
  }

  function contact(account: Account, own: Account): Contact {
    const rosterVersion = versionOf([account, own])
    const base = { accountId: account.accountId, handle: '', dormant: false, rosterVersion }
    return { ...base, devices: active(account).map(shown), ownDevices: active(own).map(shown) }
  }

  function finishPending({ pending }: { pending: Pending | undefined }) {
    if (pending?.kind === PendingKind.DELETING_ACCOUNT) {
      deleting.delete(pending.device?.accountId ?? '')
      return {}
    }
    const account = accounts.get(pending?.device?.accountId ?? '')
    const listed = account?.devices.get(pending?.device?.deviceId ?? 0)
    if (!account || !listed || !pending) return {}
    if (pending.kind === PendingKind.REPLACING_DEVICE && listed.intent === 'adding') {
      account.devices.delete(pending.evictedDeviceId)
    }
    if (pending.kind !== PendingKind.REMOVING_DEVICE && listed.intent === 'adding') {
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
    const linking = [...accounts.values()].flatMap(({ devices }) =>
      [...devices.values()].flatMap((listed) => pendingFor(listed, devices)),
    )
    return [...linking, ...deleting.values()]
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
    /** Begins to link a device in the place of another one, which is in no roster from now on. */
    evict(evicted: DeviceAddress, deviceId: number): Pending | undefined {
      const account = accounts.get(evicted.accountId)
      const listed = account?.devices.get(evicted.deviceId)
      if (!account || listed?.intent !== 'active') return undefined
      listed.intent = 'removing'
      account.version += 1
      unlisted(evicted)
      const address = { accountId: evicted.accountId, deviceId }
      const evicts = evicted.deviceId
      account.devices.set(deviceId, { address, intent: 'adding', evicts })
      return { kind: PendingKind.REPLACING_DEVICE, device: address, evictedDeviceId: evicts }
    },
    /** Begins to delete an account: nobody can write to it from now on. */
    delete(accountId: AccountId): Pending | undefined {
      const account = accounts.get(accountId)
      const [device] = account?.devices.values() ?? []
      if (!account || !device) return undefined
      accounts.delete(accountId)
      // Higher than whatever it has added to a version.
      deleted += account.version + 1
      for (const { address } of account.devices.values()) unlisted(address)
      const kind = PendingKind.DELETING_ACCOUNT
      const pending = { kind, device: device.address, evictedDeviceId: 0 }
      deleting.set(accountId, pending)
      return pending
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

/** The conversation that everybody is in. */
export const GROUP_ID = 'cccccccc-1111-4000-8000-000000000000'

type Asked = NonNullable<AskRequest['request']>['body']

const NOT_FOUND = { $case: 'refusal' as const, value: refusal(RefusalCode.NOT_FOUND) }

const NOBODY: Account = { accountId: '' as AccountId, devices: new Map(), version: 0 }

function pendingFor(
  { address: device, intent, evicts = 0 }: Listed,
  devices: ReadonlyMap<number, Listed>,
): Pending[] {
  const isEvicted = [...devices.values()].some((other) => other.evicts === device.deviceId)
  if (intent === 'active' || isEvicted) return []
  const adding = evicts > 0 ? PendingKind.REPLACING_DEVICE : PendingKind.ADDING_DEVICE
  const kind = intent === 'adding' ? adding : PendingKind.REMOVING_DEVICE
  return [{ kind, device, evictedDeviceId: evicts }]
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
