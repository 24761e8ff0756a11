// People and groups as they are written on the command line and shown: a handle, or `g:` and the
// first eight characters of a conversation's id.

import { type Address, type Device, RefusalCode, RefusedError, type To } from '@twotick/sdk'
import { CommandError, EXIT } from './command-error.ts'
import { printable } from './text.ts'
import { TWOTICK } from './typed.ts'

const GROUP = 'g:'
const GROUP_CHARACTERS = 8

export interface Recipient {
  readonly to: To
  readonly name: string
}

export function groupName(conversationId: string): string {
  return GROUP + printable(conversationId.slice(0, GROUP_CHARACTERS))
}

/** Who or what is meant. Throws CommandError where there is no such thing. */
export async function findRecipient(device: Device, text: string): Promise<Recipient> {
  if (text.startsWith(GROUP)) {
    const conversation = await findGroup(device, text)
    return { to: { conversation }, name: groupName(conversation) }
  }
  return { to: { account: await findAccount(device, text) }, name: text }
}

export async function findAccount(device: Device, handle: string): Promise<string> {
  try {
    return (await device.lookUp({ handle })).accountId
  } catch (error) {
    const isUnknown = error instanceof RefusedError && error.code === RefusalCode.NOT_FOUND
    if (!isUnknown) throw error
    throw new CommandError(EXIT.refused, `There is nobody called ${handle} here.`, [
      'Handles are 1 to 32 of a-z 0-9 . _ -',
    ])
  }
}

/** The id of the one group of this account that is meant. */
export async function findGroup(device: Device, text: string): Promise<string> {
  const start = text.startsWith(GROUP) ? text.slice(GROUP.length) : text
  const ids = (await device.listConversations()).filter((id) => id.startsWith(start))
  const [id, ...others] = ids
  if (id !== undefined && others.length === 0 && start.length > 0) return id
  const message =
    others.length > 0 ? `${text} may be several groups.` : `You have no group ${text}.`
  throw new CommandError(EXIT.refused, message, [`${TWOTICK} group list   shows yours`])
}

export interface Names {
  /** A handle; while there is no relay to ask, the beginning of the account's id. */
  of(accountId: string): Promise<string>
  /** As `of`, and `you` for the own account, with the device where it is another one. */
  sender(address: Address): Promise<string>
}

/** Handles of accounts, each asked for once. */
export function createNames(device: Device): Names {
  const known = new Map<string, string>()

  async function of(accountId: string): Promise<string> {
    const handle = known.get(accountId)
    if (handle !== undefined) return handle
    if (!device.isConnected()) return shortId(accountId)
    try {
      const contact = await device.lookUp({ account: accountId })
      known.set(accountId, printable(contact.handle))
      return printable(contact.handle)
    } catch (error) {
      // A name is no reason to hold a message back.
      return error instanceof Error ? shortId(accountId) : shortId('')
    }
  }

  return {
    of,
    async sender({ accountId, deviceId }) {
      if (accountId !== device.address.accountId) return of(accountId)
      return deviceId === device.address.deviceId ? 'you' : `you/${deviceId}`
    },
  }
}

function shortId(accountId: string): string {
  return `account ${accountId.slice(0, 8)}`
}
