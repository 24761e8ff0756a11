// A disk on which every flush takes longer. With a C compiler, each fsync and fdatasync of Postgres
// (../slow-flush.c); without one Postgres' own `commit_delay`, which waits before the log's flush at
// each commit, for 100 ms at most.

import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scope } from '@twotick/chassis'
import type { Fault } from '../fault.ts'
import type { PostgresSetting, Stack } from '../stack.ts'

const run = promisify(execFile)

const SOURCE = join(import.meta.dirname, '../slow-flush.c')
const COMMIT_DELAY_MS_MAX = 100

/** Of the Postgres that was prepared last; none: `commit_delay` does it. */
let delayFile: string | undefined

/** As a fault of a run: 20 to 300 ms a flush. */
export const slowFlush: Fault = {
  name: 'slow fsync',
  target: 'postgres flush',
  lastsMs: [2_000, 10_000],
  prepare: prepareSlowFlush,
  async inject(stack, random) {
    await slowDown(stack, random.whole(20, 300))
    return () => slowDown(stack, 0)
  },
}

/** Has Postgres started so that `slowDown` can slow it. */
export async function prepareSlowFlush(setting: PostgresSetting, scope: Scope): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'twotick-flush-'))
  chmodSync(folder, 0o711) // Postgres' user goes through it
  scope.defer('slow flush', () => rmSync(folder, { recursive: true, force: true }))
  const library = join(folder, 'slow-flush.so')
  const file = join(folder, 'delay-ms')
  delayFile = undefined
  try {
    await run('cc', ['-O2', '-shared', '-fPIC', '-o', library, SOURCE, '-ldl'])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    console.warn('no C compiler here: commits wait instead of every fsync, for 100 ms at most')
    return
  }
  writeFileSync(file, '0', { mode: 0o644 })
  chmodSync(library, 0o755)
  setting.env['LD_PRELOAD'] = library
  setting.env['TWOTICK_SLOW_FLUSH_FILE'] = file
  delayFile = file
}

/** Every flush takes this much longer from now on. */
export async function slowDown({ sql }: Stack, ms: number): Promise<void> {
  if (delayFile !== undefined) {
    writeFileSync(delayFile, String(ms))
    return
  }
  await sql(`alter system set commit_siblings = 0`)
  await sql(`alter system set commit_delay = ${Math.min(ms, COMMIT_DELAY_MS_MAX) * 1_000}`)
  await sql('select pg_reload_conf()')
}
