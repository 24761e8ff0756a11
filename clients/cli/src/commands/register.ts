// twotick register: an account, with this as its primary device.

import { type Address, RefusedError, registerDevice } from '@twotick/sdk'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { DEFAULT_URL, type GlobalOptions, probe } from '../open.ts'
import { NOT_ENCRYPTED, printJson, warn } from '../print.ts'
import {
  checkProfileName,
  isProfile,
  listProfiles,
  openProfile,
  profilePath,
  shortPath,
} from '../profile.ts'
import { TWOTICK } from '../typed.ts'

export async function register(
  options: GlobalOptions,
  handle: string,
  { token }: { token?: string },
): Promise<void> {
  if (!/^[a-z0-9._-]{1,32}$/.test(handle)) {
    throw new CommandError(EXIT.usage, `"${handle}" cannot be a handle.`, [
      'A handle is 1 to 32 of a-z 0-9 . _ -',
    ])
  }
  const profile = checkProfileName(options.as ?? handle)
  const url = options.url ?? DEFAULT_URL
  if (await isRegistered(profile)) throw registeredAlready(profile)
  await probe(url)
  const registered = { profile, handle, url, ...(token && { token }) }
  const address = await registerProfile(registered)
  if (options.json) return printJson({ handle, profile, ...address, url })
  console.log(
    `${colors.green('✓')} ${colors.bold(handle)} is registered; this is its primary device.`,
  )
  console.log(colors.dim(`  profile  ${shortPath(profilePath(profile))}`))
  console.log(colors.dim(`  relay    ${url}`))
  warn(NOT_ENCRYPTED)
  const who = listProfiles().length > 1 ? `--as ${profile} ` : ''
  console.log(`\nNext:  ${TWOTICK} ${who}chat <handle>   or   ${TWOTICK} ${who}listen`)
}

const COMMAND_COLUMNS = 46

interface Registration {
  readonly profile: string
  readonly handle: string
  readonly url: string
  readonly token?: string
}

async function isRegistered(profile: string): Promise<boolean> {
  if (!isProfile(profile)) return false
  using opened = openProfile(profile)
  return (await opened.storage.read('identity', 'self'))?.address !== undefined
}

/** What was refused leaves no profile behind; what had no answer does, with the key to ask again. */
async function registerProfile({ profile, ...registration }: Registration): Promise<Address> {
  using opened = openProfile(profile)
  const { storage } = opened
  try {
    return await registerDevice({ ...registration, storage })
  } catch (error) {
    if (error instanceof RefusedError) opened.forget()
    throw error
  }
}

function registeredAlready(profile: string): CommandError {
  return new CommandError(EXIT.profile, `The profile ${profile} is registered already.`, [
    `${TWOTICK} --as ${profile} status`.padEnd(COMMAND_COLUMNS) + 'says who it is',
    `${TWOTICK} --as <name> register <handle>`.padEnd(COMMAND_COLUMNS) + 'makes another one',
    `rm ${shortPath(profilePath(profile))}*`.padEnd(COMMAND_COLUMNS) +
      'forgets it, if its relay is gone',
  ])
}
