// What a device asks of the directory, as plain calls. Each throws RefusedError with the relay's
// code, OfflineError when no answer came in time, or StoppedError once the device has stopped.

import { isAccountId, RefusalCode, signedLink } from '@twotick/protocol'
import type { Address, Contact } from '@twotick/protocol'
import type { Conversation, Device as DeviceEntry, KeyPackage } from '@twotick/protocol'
import type { Directory } from './directory.ts'
import { RefusedError, StoppedError } from './errors.ts'
import { randomBytes, type Sign } from './keys.ts'
import { readLinkCode } from './link-code.ts'
import type { Rosters } from './rosters.ts'

const REQUEST_KEY_BYTES = 16
/** Of the device that an account was registered with, which no other one takes over. */
const PRIMARY_ID = 1

interface AccountOptions {
  readonly own: Address
  readonly sign: Sign
  readonly directory: Directory
  readonly rosters: Rosters
}

export type AccountCalls = ReturnType<typeof createAccountCalls>

export function createAccountCalls(options: AccountOptions) {
  return { ...accountCalls(options), ...conversationCalls(options) }
}

function accountCalls({ own, sign, directory }: AccountOptions) {
  return {
    /** Finds an account by its handle or its id. */
    lookUp(by: { handle: string } | { account: string }): Promise<Contact> {
      const which =
        'handle' in by
          ? ({ $case: 'handle', value: by.handle } as const)
          : ({ $case: 'accountId', value: by.account } as const)
      return directory.ask({ $case: 'lookUp', value: { by: which } }, 'contact')
    },

    async listDevices(): Promise<DeviceEntry[]> {
      const { devices } = await directory.ask({ $case: 'listDevices', value: {} }, 'deviceList')
      return devices
    },

    /**
     * Links the device that shows this code (primary only). DEVICE_LIMIT's detail is the companion
     * that would be evicted: name it to confirm.
     */
    async linkDevice(code: string, name = '', evictDeviceId = 0): Promise<Address | undefined> {
      const publicKey = await readLinkCode(code)
      if (!publicKey) throw new TypeError('that is no link code, or there is a slip in it')
      if (!isAccountId(own.accountId)) throw new TypeError('not an account id')
      const signature = await sign(signedLink(own.accountId, publicKey))
      const value = { publicKey, name, signature, evictDeviceId }
      return (await directory.ask({ $case: 'linkDevice', value }, 'linkedDevice')).address
    },

    async unlinkDevice(deviceId: number): Promise<void> {
      await directory.ask({ $case: 'unlinkDevice', value: { deviceId } }, 'done')
    },

    async setBlock(accountId: string, blocked: boolean): Promise<void> {
      await directory.ask({ $case: 'setBlock', value: { accountId, blocked } }, 'done')
    },

    /** Deletes this account, for good (primary only). The handle is asked for against accidents. */
    async deleteAccount(handle: string): Promise<void> {
      try {
        await directory.ask({ $case: 'deleteAccount', value: { handle } }, 'done')
      } catch (error) {
        // A companion that was unlinked leaves the account behind.
        if (own.deviceId !== PRIMARY_ID || !isOfNoAccount(error)) throw error
      }
    },

    async publishKeyPackages(packages: readonly Uint8Array[]): Promise<void> {
      const value = { packages: [...packages] }
      await directory.ask({ $case: 'publishKeyPackages', value }, 'done')
    },

    async takeKeyPackages(accountId: string): Promise<KeyPackage[]> {
      const body = { $case: 'takeKeyPackages', value: { accountId } } as const
      return (await directory.ask(body, 'keyPackages')).packages
    },
  }
}

/**
 * That this device has no account any more may be told before the answer to a deletion, or, where
 * that was lost, to whoever asks again; and is one.
 */
function isOfNoAccount(error: unknown): boolean {
  if (error instanceof StoppedError) return error.reason === 'unlinked'
  return error instanceof RefusedError && error.code === RefusalCode.UNLINKED
}

function conversationCalls({ directory, rosters }: AccountOptions) {
  const learn = async (conversation: Conversation) => {
    await rosters.learn(conversation)
    return conversation
  }
  return {
    /** Makes a group of this account and these. */
    createConversation(accountIds: readonly string[]): Promise<Conversation> {
      const value = { requestKey: randomBytes(REQUEST_KEY_BYTES), accountIds: [...accountIds] }
      return directory.ask({ $case: 'createConversation', value }, 'conversation').then(learn)
    },

    changeMembers(
      conversationId: string,
      change: { add?: readonly string[]; remove?: readonly string[] },
    ): Promise<Conversation> {
      const addAccountIds = [...(change.add ?? [])]
      const removeAccountIds = [...(change.remove ?? [])]
      const value = { conversationId, addAccountIds, removeAccountIds }
      return directory.ask({ $case: 'changeMembers', value }, 'conversation').then(learn)
    },

    getConversation(conversationId: string): Promise<Conversation> {
      const value = { conversationId }
      return directory.ask({ $case: 'getConversation', value }, 'conversation').then(learn)
    },

    async listConversations(): Promise<string[]> {
      const body = { $case: 'listConversations', value: {} } as const
      return (await directory.ask(body, 'conversationList')).conversationIds
    },
  }
}
