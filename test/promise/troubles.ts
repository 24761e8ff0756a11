// What may happen to one mailbox, or to many devices, and must leave the neighbours alone. Each begins
// when it is called and resolves to what ends it.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stack } from '../chaos/stack.ts'
import { openRaw, registerRaw, sendTo } from '../raw-device.ts'

export type Trouble = (stack: Stack, options: TroubleOptions) => Promise<() => Promise<void>>

export interface TroubleOptions {
  /** That reconnect at once. */
  readonly devices: number
}

const EVERY_MS = 20
const ANSWERED_MS_MAX = 3_000

export const TROUBLES: Readonly<Record<string, Trouble>> = {
  'a device that takes nothing': async ({ url }) => {
    const to = await registerRaw(url, 'takes-nothing')
    // It hears and never acknowledges: its window closes.
    const deaf = await openRaw(to)
    const end = await flood(url, to.address.accountId)
    return async () => {
      await end()
      deaf.close()
    }
  },

  'a device that stands still': async ({ url }) => {
    const [process, [account = '']] = await startDevices(url, 1)
    const end = await flood(url, account)
    // Its connection stays open, and takes nothing off its socket.
    process.kill('SIGSTOP')
    return async () => {
      await end()
      process.kill('SIGKILL')
    }
  },

  'a full mailbox': async ({ url }) => {
    const { address } = await registerRaw(url, 'full')
    return flood(url, address.accountId, 2)
  },

  'a poison entry': async ({ url, sql }) => {
    const to = await registerRaw(url, 'poisoned')
    const end = await flood(url, to.address.accountId)
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

  'devices that reconnect at once': async ({ urls }, { devices }) => {
    const [storm] = await startDevices(urls.join(), devices)
    await sleep(5_000)
    const since = performance.now()
    const there = once(storm, 'message').then(() => {
      const seconds = (performance.now() - since) / 1_000
      console.log(`${devices} devices are back after ${seconds.toFixed(0)} s`)
    })
    storm.send('again')
    return async () => {
      await there
      storm.kill('SIGKILL')
    }
  },
}

/** A process of so many devices, and their accounts. */
async function startDevices(url: string, count: number): Promise<[ChildProcess, string[]]> {
  const started = fork(join(import.meta.dirname, 'storm.ts'), [url, String(count)])
  const [accounts] = (await once(started, 'message')) as [string[]]
  return [started, accounts]
}

/** Somebody sends to this account, on and on, whatever comes of it. */
async function flood(url: string, accountId: string, everyMs = EVERY_MS) {
  const from = await registerRaw(url, `floods-${accountId.slice(0, 8)}`)
  const stopping = new AbortController()
  let acceptedNo = 0
  let answered: () => void = () => undefined
  const sender = await openRaw(from, ({ $case, value }) => {
    if ($case === 'stored') acceptedNo = value.lastNo
    if ($case === 'stored' || $case === 'rejected') answered()
  })
  void (async () => {
    for (let no = 1; !stopping.signal.aborted; no++) {
      const answer = new Promise<void>((resolve) => (answered = resolve))
      sender.send({ $case: 'send', value: sendTo(accountId, no, acceptedNo) })
      await Promise.race([answer, sleep(ANSWERED_MS_MAX)])
      await sleep(everyMs)
    }
    sender.close()
  })()
  return async () => stopping.abort()
}
