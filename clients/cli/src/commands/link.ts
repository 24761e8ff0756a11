// twotick link: a further device of an account. The new device makes its key and shows it as a code;
// the primary links that; the new device asks until it is there.

import { claimDevice, createLinkCode, readLinkCode, RefusalCode, RefusedError } from '@twotick/sdk'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { DEFAULT_URL, type GlobalOptions, type Opened, probe, withDevice } from '../open.ts'
import { NOT_ENCRYPTED, note, printJson, warn } from '../print.ts'
import { checkProfileName, openProfile } from '../profile.ts'
import { TWOTICK } from '../typed.ts'
import { deviceName } from './devices.ts'

export interface LinkOptions {
  readonly name?: string
  readonly evict?: number
}

export async function link(
  options: GlobalOptions,
  code: string | undefined,
  linkOptions: LinkOptions,
): Promise<void> {
  if (code === undefined) await becomeDevice(options)
  else await linkDevice(options, code, linkOptions)
}

async function becomeDevice(options: GlobalOptions): Promise<void> {
  if (options.as === undefined) {
    throw new CommandError(EXIT.usage, 'Name the profile of the new device.', [
      `${TWOTICK} --as laptop link`,
      `On the primary device, with the code that this shows:  ${TWOTICK} link <code>`,
    ])
  }
  const profile = checkProfileName(options.as)
  const url = options.url ?? DEFAULT_URL
  await probe(url)
  using opened = openProfile(profile)
  const { storage } = opened
  const identity = await storage.read('identity', 'self')
  if (identity?.address !== undefined) {
    throw new CommandError(EXIT.profile, `${profile} is a device already.`, [
      `${TWOTICK} --as ${profile} status   says whose`,
    ])
  }
  const code = await createLinkCode({ storage })
  if (options.json) printJson({ code })
  else showCode(code)
  const address = await claimDevice({ url, storage })
  if (options.json) return printJson({ profile, ...address, url })
  console.log(`${colors.green('✓')} Linked: this is device ${address.deviceId}.`)
  note('  It gets what is sent from now on.')
  warn(NOT_ENCRYPTED)
}

function showCode(code: string): void {
  console.log('On your primary device, type:\n')
  console.log(`  ${TWOTICK} link ${colors.bold(code)}\n`)
  note('Waiting for it. Ctrl-C stops; the same command goes on with the same code later.')
}

async function linkDevice(options: GlobalOptions, code: string, { name, evict }: LinkOptions) {
  if ((await readLinkCode(code)) === undefined) {
    throw new CommandError(EXIT.usage, 'That is no link code, or there is a slip in it.', [
      'Copy it from the new device as it stands: 14 groups of 4 characters.',
    ])
  }
  await withDevice(options, async (opened) => {
    const address = await tryToLink(opened, code, {
      ...(name !== undefined && { name }),
      ...(evict !== undefined && { evict }),
    })
    if (options.json) return printJson(address)
    console.log(`${colors.green('✓')} Linked as device ${address?.deviceId ?? '?'}.`)
    if (evict !== undefined) note(`  Device ${evict} is unlinked.`)
  })
}

async function tryToLink({ device }: Opened, code: string, { name, evict }: LinkOptions) {
  try {
    return await device.linkDevice(code, name, evict)
  } catch (error) {
    if (!(error instanceof RefusedError) || error.code !== RefusalCode.DEVICE_LIMIT) throw error
    const leaving = (await device.listDevices()).find(
      ({ address }) => String(address?.deviceId) === error.detail,
    )
    const which = leaving ? deviceName(leaving) : `device ${error.detail}`
    throw new CommandError(
      EXIT.refused,
      `You have five devices. To link this one, ${which} goes.`,
      [`If that is right, repeat it with  --evict ${error.detail}`],
    )
  }
}
