// A scope is the life of one running service: what it has opened is registered with how to undo it,
// and closing undoes it, last opened first, all under one deadline. `run` opens one for a process;
// a test opens one around `start` and so exercises the same wiring.

import { createLog, type Logger } from './log.ts'

/** What `start` is given. */
export interface Scope {
  /** Registers how to undo what was just opened. `undo` may be asynchronous. */
  defer(name: string, undo: () => unknown): void
  /** Says that the service can take work: /readyz answers 200 from now on. */
  ready(): void
  /** Aborts when the service is to stop: loops end, nothing new is begun. */
  readonly stopping: AbortSignal
  readonly log: Logger
}

/** What the owner of a scope has. */
export interface OpenScope extends Scope {
  isReady(): boolean
  /**
   * Not ready any more, `stopping` aborts, then every deferred step, last one first. A step that
   * fails does not keep the next from running; past the deadline the rest is begun but not awaited.
   * Rejects with an AggregateError of what failed. Closing again waits for the same end.
   */
  close(): Promise<void>
}

export interface ScopeOptions {
  readonly log?: Logger
  readonly drainMs?: number
}

interface Step {
  readonly name: string
  readonly undo: () => unknown
}

/** Opens a scope. The log of a scope without one says only what is wrong. */
export function openScope(name: string, options: ScopeOptions = {}): OpenScope {
  const { log = createLog(name, 'error'), drainMs = 10_000 } = options
  const stop = new AbortController()
  const steps: Step[] = []
  let isReady = false
  let closed: Promise<void> | undefined

  return {
    log,
    stopping: stop.signal,
    isReady: () => isReady,
    defer(stepName, undo) {
      const step = { name: stepName, undo }
      if (closed === undefined) steps.push(step)
      // Opened by a start that the stop has overtaken: nobody else would undo it any more.
      else undoAll([step], { log, drainMs }).catch(() => undefined) // is in the log
    },
    ready() {
      if (stop.signal.aborted) return
      isReady = true
      log.info('ready')
    },
    close() {
      closed ??= (async () => {
        isReady = false
        stop.abort()
        await undoAll(steps, { log, drainMs })
      })()
      return closed
    },
  }
}

interface Undoing {
  readonly log: Logger
  readonly drainMs: number
}

async function undoAll(steps: Step[], { log, drainMs }: Undoing): Promise<void> {
  const late = Promise.withResolvers<'late'>()
  const timer = setTimeout(() => late.resolve('late'), drainMs)
  const failures: unknown[] = []
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    try {
      await undoStep(step, late.promise)
      log.debug({ step: step.name }, 'closed')
    } catch (error) {
      log.error({ step: step.name, error }, 'closing failed')
      failures.push(error)
    }
  }
  clearTimeout(timer)
  if (failures.length > 0) throw new AggregateError(failures, 'closing failed')
}

async function undoStep({ name, undo }: Step, late: Promise<'late'>): Promise<void> {
  const outcome = await Promise.race([(async () => undo())(), late])
  if (outcome === 'late') throw new Error(`${name} is not closed within the drain time`)
}
