// twotick block, twotick unblock.

import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { findAccount } from '../names.ts'
import { type GlobalOptions, withDevice } from '../open.ts'
import { printJson } from '../print.ts'

export async function block(options: GlobalOptions, handle: string): Promise<void> {
  await setBlock(options, handle, true)
  if (!options.json) console.log(`${colors.green('✓')} ${handle} is blocked, and is not told.`)
}

export async function unblock(options: GlobalOptions, handle: string): Promise<void> {
  await setBlock(options, handle, false)
  if (!options.json) console.log(`${colors.green('✓')} ${handle} can write to you again.`)
}

async function setBlock(options: GlobalOptions, handle: string, blocked: boolean): Promise<void> {
  await withDevice(options, async ({ device }) => {
    const accountId = await findAccount(device, handle)
    if (accountId === device.address.accountId)
      throw new CommandError(EXIT.usage, `${handle} is you.`)
    await device.setBlock(accountId, blocked)
    if (options.json) printJson({ handle, blocked })
  })
}
