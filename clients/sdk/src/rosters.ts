// Who gets a message: the rosters of destinations, as the directory last said, kept so that a device
// can write to a group while it is offline. A roster that turns out stale is dropped and asked anew.

import { addressKey, type Address, type Contact, type Conversation } from '@twotick/protocol'
import type { Directory } from './directory.ts'
import type { Roster, Storage, To } from './storage.ts'
import type { Step, Turn } from './turn.ts'

interface RostersOptions {
  readonly own: Address
  readonly storage: Storage
  readonly directory: Directory
  readonly enter: (step: Step) => Promise<void>
}

export type Rosters = ReturnType<typeof createRosters>

export function createRosters({ own, storage, directory, enter }: RostersOptions) {
  const known = new Map<string, Roster>()

  async function keep(to: To, roster: Roster): Promise<Roster> {
    known.set(keyOf(to), roster)
    await enter((turn) => turn.put('roster', keyOf(to), roster))
    return roster
  }

  async function fetch(to: To): Promise<Roster> {
    if ('account' in to) {
      const by = { $case: 'accountId', value: to.account } as const
      const contact = await directory.ask({ $case: 'lookUp', value: { by } }, 'contact')
      return keep(to, fromContact(contact, own))
    }
    const value = { conversationId: to.conversation }
    const body = { $case: 'getConversation', value } as const
    return keep(to, fromConversation(await directory.ask(body, 'conversation'), own))
  }

  return {
    async get(to: To): Promise<Roster> {
      const kept = known.get(keyOf(to)) ?? (await storage.read('roster', keyOf(to)))
      return kept ?? fetch(to)
    },
    /** What the directory says now. */
    fetch,
    /** The directory has just told this conversation's roster. */
    async learn(conversation: Conversation): Promise<void> {
      const to = { conversation: conversation.conversationId }
      await keep(to, fromConversation(conversation, own))
    },
    forget(turn: Turn, to: To): void {
      known.delete(keyOf(to))
      turn.put('roster', keyOf(to), undefined)
    },
  }
}

function keyOf(to: To): string {
  return 'account' in to ? `account ${to.account}` : `conversation ${to.conversation}`
}

function others(own: Address, devices: readonly { address?: Address | undefined }[]): Address[] {
  const addresses = devices.flatMap(({ address }) => (address ? [address] : []))
  const byKey = new Map(addresses.map((address) => [addressKey(address), address]))
  byKey.delete(addressKey(own))
  return [...byKey.values()]
}

export function fromContact(contact: Contact, own: Address): Roster {
  const { accountId, rosterVersion: version, devices, ownDevices } = contact
  const members = [{ accountId, dormant: false }]
  return { version, members, devices: others(own, [...devices, ...ownDevices]) }
}

export function fromConversation(conversation: Conversation, own: Address): Roster {
  const { rosterVersion: version, members } = conversation
  const awake = members.filter(({ dormant }) => !dormant)
  return {
    version,
    members: members.map(({ accountId, dormant }) => ({ accountId, dormant })),
    devices: others(
      own,
      awake.flatMap(({ devices }) => devices),
    ),
  }
}
