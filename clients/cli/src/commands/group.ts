// twotick group create, add, remove, leave, list.

import type { Conversation } from '@twotick/sdk'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { findAccount, findGroup, groupName } from '../names.ts'
import { type GlobalOptions, withDevice } from '../open.ts'
import { printJson } from '../print.ts'
import { printable } from '../text.ts'
import { TWOTICK } from '../typed.ts'

export async function createGroup(
  options: GlobalOptions,
  handles: readonly string[],
): Promise<void> {
  await withDevice(options, async ({ device }) => {
    const accounts = await Promise.all(handles.map((handle) => findAccount(device, handle)))
    show(options, await device.createConversation(accounts))
  })
}

export async function addToGroup(
  options: GlobalOptions,
  group: string,
  handles: readonly string[],
): Promise<void> {
  await withDevice(options, async ({ device }) => {
    const id = await findGroup(device, group)
    const add = await Promise.all(handles.map((handle) => findAccount(device, handle)))
    show(options, await device.changeMembers(id, { add }))
  })
}

export async function removeFromGroup(
  options: GlobalOptions,
  group: string,
  handles: readonly string[],
): Promise<void> {
  await withDevice(options, async ({ device }) => {
    const id = await findGroup(device, group)
    const { members } = await device.getConversation(id)
    const remove = handles.map((handle) => {
      const member = members.find((one) => one.handle === handle)
      if (member !== undefined) return member.accountId
      throw new CommandError(EXIT.refused, `${handle} is not in ${groupName(id)}.`)
    })
    show(options, await device.changeMembers(id, { remove }))
  })
}

export async function leaveGroup(options: GlobalOptions, group: string): Promise<void> {
  await withDevice(options, async ({ device }) => {
    const id = await findGroup(device, group)
    await device.changeMembers(id, { remove: [device.address.accountId] })
    if (options.json) printJson({ group: groupName(id), id, left: true })
    else console.log(`${colors.green('✓')} You have left ${groupName(id)}.`)
  })
}

export async function listGroups(options: GlobalOptions): Promise<void> {
  await withDevice(options, async ({ device }) => {
    const ids = await device.listConversations()
    if (ids.length === 0 && !options.json) {
      console.log(`You are in no group.  ${TWOTICK} group create <handle...>  makes one.`)
    }
    for (const id of ids) show(options, await device.getConversation(id))
  })
}

function show({ json }: GlobalOptions, { conversationId, members }: Conversation): void {
  if (json) {
    const handles = members.map(({ handle }) => handle)
    return printJson({ group: groupName(conversationId), id: conversationId, members: handles })
  }
  const told = members.map(({ handle, dormant }) => printable(handle) + (dormant ? ' (away)' : ''))
  console.log(`${colors.bold(groupName(conversationId))}  ${told.join(', ')}`)
}
