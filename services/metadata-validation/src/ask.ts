// A device's request to the directory, and the command that answers it.

import { type DeviceAddress, parseAddress, RefusalCode, type Request } from '@twotick/protocol'
import { type AskRequest, type DirectoryReply } from '@twotick/protocol/services'
import { type Answer, refused } from './answer.ts'
import { setBlock } from './blocks.ts'
import {
  changeMembers,
  createConversation,
  getConversation,
  listConversations,
} from './conversations.ts'
import { deleteAccount } from './delete-account.ts'
import { linkDevice, listDevices, unlinkDevice } from './devices.ts'
import { publishKeyPackages, takeKeyPackages } from './keys.ts'
import { lookUp } from './look-up.ts'
import { type Snapshot, type Transact } from './transaction.ts'

/** What the commands stand on. */
export interface Directory {
  readonly transact: Transact
  readonly snapshot: Snapshot
}

/** Answers a request; every refusal is in the response. */
export async function ask(
  directory: Directory,
  { asker, request }: AskRequest,
): Promise<DirectoryReply> {
  const address = parseAddress(asker)
  const answer =
    address === undefined
      ? refused(RefusalCode.UNLINKED)
      : await answerBody(directory, address, request?.body)
  return {
    pending: answer.pending,
    response: { requestId: request?.requestId ?? 0, body: answer.body },
    refusal: undefined,
    address: undefined,
  }
}

async function answerBody(
  { transact, snapshot }: Directory,
  asker: DeviceAddress,
  body: Request['body'],
): Promise<Answer> {
  switch (body?.$case) {
    case 'lookUp':
      return lookUp(snapshot, asker, body.value)
    case 'listDevices':
      return listDevices(snapshot, asker)
    case 'linkDevice':
      return linkDevice(transact, asker, body.value)
    case 'unlinkDevice':
      return unlinkDevice(transact, asker, body.value)
    case 'createConversation':
      return createConversation(transact, asker, body.value)
    case 'changeMembers':
      return changeMembers(transact, asker, body.value)
    case 'getConversation':
      return getConversation(snapshot, asker, body.value)
    case 'listConversations':
      return listConversations(snapshot, asker)
    case 'setBlock':
      return setBlock(transact, asker, body.value)
    case 'deleteAccount':
      return deleteAccount(transact, asker, body.value)
    case 'publishKeyPackages':
      return publishKeyPackages(transact, asker, body.value)
    case 'takeKeyPackages':
      return takeKeyPackages(transact, asker, body.value)
    default:
      return refused(RefusalCode.INVALID_REQUEST, 'body')
  }
}
