// twotick delete-account.

import { RefusalCode, RefusedError } from '@twotick/sdk'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { type GlobalOptions, type Opened, withDevice } from '../open.ts'
import { printJson } from '../print.ts'
import { openProfile } from '../profile.ts'

/** Deletes the account at the relay, then this device of it here. */
export async function deleteAccount(options: GlobalOptions, handle: string): Promise<void> {
  const ask = async ({ device, profile }: Opened) => {
    try {
      await device.deleteAccount(handle)
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== RefusalCode.INVALID_REQUEST)
        throw error
      throw new CommandError(EXIT.usage, `${handle} is not the handle of ${profile}.`, [
        'Nothing was deleted.',
      ])
    }
    return profile
  }
  // What nobody will read is not delivered: its senders are to hear that.
  const profile = await withDevice(options, ask, { receives: false })
  openProfile(profile).forget()
  if (options.json) return printJson({ deleted: handle })
  console.log(`${colors.green('✓')} ${handle} is deleted, with all its devices and messages.`)
}
