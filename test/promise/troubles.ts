// What may happen to one mailbox, or to many devices, and must leave the neighbours alone. Each begins
// when it is called and resolves to what ends it.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stack } from '../chaos/stack.ts'
import { openRaw, type RawDevice, registerRaw, sendTo } from '../raw-device.ts'

export type Trouble = (stack: Stack, options: TroubleOptions) => Promise<() => Promise<void>>

export interface TroubleOptions {
  /** That reconnect at once. */
  readonly devices: number
}

const EVERY_MS = 20

export const TROUBLES: Readonly<Record<string, Trouble>> = {
  'a device that takes nothing': async ({ url }) => {
    const to = await registerRaw(url, 'takes-nothing')
    // It hears and never acknowledges: its window closes.
    const deaf = await openRaw(to)
    const end = await flood(url, to)
    return async () => {
      await end()
      deaf.close()
    }
  },

  'a full mailbox': async ({ url }) => flood(url, await registerRaw(url, 'full'), 2),

  'a poison entry': async ({ url, sql }) => {
    const to = await registerRaw(url, 'poisoned')
    const end = await flood(url, to)
    await sleep(1_000)
    await sql(
      `update mailbox.entry set sealed = overlay(sealed placing '\\x00'::bytea from 20)
        where account_id = $1::uuid and seq = 1`,
      [to.address.accountId],
    )
    // It asks for the entry that cannot be opened again and again.
    const reader = await openRaw(to)
    return async () => {
      reader.close()
      await end()
    }
  },

  'devices that reconnect at once': async ({ url }, { devices }) => {
    const storm = fork(join(import.meta.dirname, 'storm.ts'), [url, String(devices)])
    await once(storm, 'message') // all are there
    await sleep(5_000)
    storm.send('again')
    return async () => {
      await once(storm, 'message')
      storm.kill('SIGKILL')
    }
  },
}

/** Somebody sends to this device, on and on, whatever comes of it. */
async function flood(url: string, to: RawDevice, everyMs = EVERY_MS) {
  const from = await registerRaw(url, `floods-${to.address.accountId.slice(0, 8)}`)
  const stopping = new AbortController()
  let acceptedNo = 0
  const sender = await openRaw(from, (frame) => {
    if (frame.$case === 'stored') acceptedNo = frame.value.lastNo
  })
  void (async () => {
    for (let no = 1; !stopping.signal.aborted; no++) {
      // One at a time: what is refused leaves no hole.
      sender.send({ $case: 'send', value: sendTo(to.address.accountId, no, acceptedNo) })
      await sleep(everyMs)
    }
    sender.close()
  })()
  return async () => stopping.abort()
}
