// The channel between a run and one of its device processes, at the process's end: what a crew does
// when it is told to.

import type { Command, Figures, Report, SwarmOrder } from './orders.ts'

const FIGURES_MS = 500

/** The devices of one process. */
export interface Crew {
  /** Where others may send to. */
  readonly accounts: readonly string[]
  figures(): Figures
  /** Sends to these accounts until the signal; resolves when nobody sends and everybody is there. */
  send(peers: readonly string[], signal: AbortSignal): Promise<void>
  reconnect(): void
  /** Writes down who is there, and closes. */
  finish(): Promise<void>
}

/** Obeys the run until it says finish, or is gone. `isBusy`: between `send` and `quieten`. */
export function serve(open: (order: SwarmOrder, isBusy: () => boolean) => Promise<Crew>): void {
  let crew: Crew | undefined
  let stop: AbortController | undefined
  let sending: Promise<void> | undefined

  async function obey(command: Command): Promise<void> {
    if (command.do === 'open') {
      const opened = await open(command.order, () => stop?.signal.aborted === false)
      crew = opened
      say({ is: 'opened', accounts: opened.accounts })
      setInterval(() => say({ is: 'figures', ...opened.figures() }), FIGURES_MS)
    } else if (command.do === 'send') {
      stop = new AbortController()
      sending = crew?.send(command.peers, stop.signal)
    } else if (command.do === 'quieten') {
      stop?.abort()
      await sending
      if (crew) say({ is: 'figures', ...crew.figures() })
      say({ is: 'quiet' })
    } else if (command.do === 'reconnect') {
      crew?.reconnect()
    } else if (command.do === 'finish') {
      await crew?.finish()
      process.exit(0)
    }
  }

  process.on('message', (command: Command) => void obey(command))
  process.on('disconnect', () => process.exit(0))
}

function say(report: Report): void {
  process.send?.(report)
}
