// The load generator, a process of its own. It is told what to do in one IPC message, says when the
// measured time begins and how far it is each second, and answers with its figures.

import { once } from 'node:events'
import { type Begin, type Order, perform } from './perform.ts'
import type { Measured } from './figures.ts'
import { endedSessions } from './load-device.ts'
import { performPeer, type PeerOrder } from './peers/perform-peer.ts'

export type Said =
  /** And waits for a message before it goes on. */
  | { readonly is: 'prepared' }
  | { readonly is: 'measuring' }
  | { readonly is: 'progress'; readonly total: number }
  | {
      readonly is: 'measured'
      readonly measured: Measured
      readonly ended: readonly string[]
      readonly cpuSeconds: number
    }
  | { readonly is: 'failed'; readonly reason: string }

function say(said: Said, then?: () => void) {
  process.send?.(said, () => then?.())
}

process.once('message', (order: Order | PeerOrder) => {
  let cpu = process.cpuUsage()
  const begin: Begin = (figures) => {
    cpu = process.cpuUsage()
    say({ is: 'measuring' })
    setInterval(() => say({ is: 'progress', total: figures.total() }), 1_000).unref()
  }
  const prepared = async () => {
    const goOn = once(process, 'message')
    say({ is: 'prepared' })
    await goOn
  }
  const measured = 'peer' in order ? performPeer(order, begin) : perform(order, { begin, prepared })
  measured.then(
    (measured) => {
      const { user, system } = process.cpuUsage(cpu)
      const cpuSeconds = (user + system) / 1e6
      say({ is: 'measured', measured, ended: endedSessions(), cpuSeconds }, () => process.exit(0))
    },
    (error: unknown) => say({ is: 'failed', reason: String(error) }, () => process.exit(1)),
  )
})
// Whoever has ordered this is gone: so is the reason to go on.
process.once('disconnect', () => process.exit(1))
