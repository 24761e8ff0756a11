// What a run says of itself while it goes on: its phases and faults as lines, and below them, on a
// terminal, one line of figures that is written over.

import type { Phase } from '../ledger/history.ts'
import type { OpenFleet } from './fleet.ts'

const EVERY_MS = 1_000
/** Without a terminal: a line of figures every so many seconds. */
const LINES_EVERY = 15

export interface Progress {
  say(text: string): void
  enter(phase: Phase): void
  /** A fault begins; what is returned ends it. */
  fault(name: string): () => void
  /** Shows the figures of these devices from now on. */
  watch(fleet: OpenFleet): () => void
}

export function createProgress(out: NodeJS.WriteStream): Progress {
  const began = performance.now()
  const under = new Set<string>()
  let status = ''

  function clock(): string {
    const seconds = Math.floor((performance.now() - began) / 1_000)
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  }

  function line(text: string): void {
    if (out.isTTY) out.write(`\r\x1b[K`)
    out.write(`${clock().padStart(6)}  ${text}\n`)
    if (out.isTTY) out.write(status)
  }

  function show(text: string): void {
    status = text.slice(0, out.columns - 1)
    out.write(`\r\x1b[K${status}`)
  }

  return {
    say: line,
    enter: (phase) => line(`── ${phase}`),
    fault(name) {
      const since = performance.now()
      under.add(name)
      line(`✗ ${name}`)
      return () => {
        under.delete(name)
        line(`✓ ${name}, ${((performance.now() - since) / 1_000).toFixed(1)} s`)
      }
    },
    watch(fleet) {
      let before = fleet.figures()
      let rounds = 0
      const timer = setInterval(() => {
        const now = fleet.figures()
        const perSecond = Math.max(0, now.stored - before.stored)
        before = now
        const text =
          `${now.stored.toLocaleString('en')} ticked, ${perSecond}/s, ` +
          `${now.unfinished} open, ${now.connected} of ${now.devices} devices connected` +
          (under.size > 0 ? ` · ${[...under].join(', ')}` : '')
        if (out.isTTY) show(`${clock().padStart(6)}  ${text}`)
        else if (++rounds % LINES_EVERY === 0) line(text)
      }, EVERY_MS)
      return () => {
        clearInterval(timer)
        if (out.isTTY) show('')
        status = ''
      }
    },
  }
}
