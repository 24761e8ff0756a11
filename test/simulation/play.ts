// Plays histories, and makes one that fails as short as it can be.

import { setImmediate as turn } from 'node:timers/promises'
import { rule } from './clock.ts'
import { add, type Coverage } from './coverage.ts'
import type { History } from './history.ts'
import { createWorld } from './world.ts'

const clock = rule()

/** What the history violates; nothing, if all is well. Adds what happened in it to `sum`. */
export async function play(history: History, sum?: Coverage): Promise<readonly string[]> {
  clock.reset(1)
  const world = createWorld(history, clock)
  const violations = await world.play()
  if (sum) add(sum, world.coverage)
  await turn() // what the process puts off until it has nothing to do: finalizers, lost rejections
  return violations
}

/** Leaves out what it can, as long as something is still violated. */
export async function shrink(history: History): Promise<History> {
  let { commands } = history
  for (let size = Math.ceil(commands.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < commands.length;) {
      const without = [...commands.slice(0, at), ...commands.slice(at + size)]
      if ((await play({ ...history, commands: without })).length > 0) commands = without
      else at += size
    }
  }
  return { ...history, commands }
}
