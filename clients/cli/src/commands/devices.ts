// twotick devices, twotick unlink.

import { type Device, RefusalCode, RefusedError } from '@twotick/sdk'
import colors from 'picocolors'
import { CommandError, EXIT } from '../command-error.ts'
import { type GlobalOptions, withDevice } from '../open.ts'
import { printJson } from '../print.ts'
import { padded, printable } from '../text.ts'
import { TWOTICK } from '../typed.ts'

type Listed = Awaited<ReturnType<Device['listDevices']>>[number]

/** `device 2 (laptop)`. */
export function deviceName({ address, name }: Listed): string {
  return `device ${address?.deviceId ?? '?'}${name ? ` (${printable(name)})` : ''}`
}

export async function listDevices(options: GlobalOptions): Promise<void> {
  await withDevice(options, async ({ device }) => {
    const devices = await device.listDevices()
    if (options.json) return devices.forEach((each) => printJson(deviceJson(each)))
    const names = devices.map(deviceName)
    const columns = Math.max(...names.map((name) => name.length))
    for (const [at, each] of devices.entries()) {
      const isThis = each.address?.deviceId === device.address.deviceId
      const facts = [each.primary && 'primary', isThis && 'this one', seen(each.seenAtMs)]
      const told = facts.filter((fact) => fact !== false).join(', ')
      console.log(`${padded(names[at] ?? '', columns)}  ${colors.dim(told)}`)
    }
  })
}

function deviceJson({ address, name, primary, seenAtMs }: Listed) {
  return { device: address?.deviceId, name, primary, seen: dayOf(seenAtMs) }
}

function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10)
}

/** The directory knows it to the day. */
function seen(atMs: number): string {
  return dayOf(atMs) === dayOf(Date.now()) ? 'seen today' : `seen ${dayOf(atMs)}`
}

export async function unlink(options: GlobalOptions, deviceId: number): Promise<void> {
  await withDevice(options, async ({ device }) => {
    try {
      await device.unlinkDevice(deviceId)
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== RefusalCode.NOT_FOUND) throw error
      throw new CommandError(EXIT.refused, `There is no device ${deviceId} to unlink.`, [
        `${TWOTICK} devices   lists yours; the primary itself cannot be unlinked`,
      ])
    }
    if (options.json) printJson({ unlinked: deviceId })
    else console.log(`${colors.green('✓')} Device ${deviceId} is unlinked: it gets nothing more.`)
  })
}
