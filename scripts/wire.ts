// Whether services and devices of the release before still understand this one on the wire: `buf
// breaking` of proto/ against what it was there.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { releaseBefore } from './release-before.ts'

const ROOT = join(import.meta.dirname, '..')

/** What no longer fits; empty if all does. Without git's history there is nothing to compare with. */
export function wireDifferences(before = releaseBefore()): string {
  if (before === undefined) {
    console.log('       wire: not compared, as there is no history of git here')
    return ''
  }
  const options = { cwd: ROOT, maxBuffer: 16 * 1_048_576 }
  const archive = spawnSync('git', ['archive', before, 'buf.yaml', 'proto'], options)
  if (archive.status !== 0) return archive.stderr.toString()
  const buf = join(ROOT, 'node_modules/.bin/buf')
  const args = ['breaking', '--against', '-#format=tar']
  const { status, stdout, stderr } = spawnSync(buf, args, { ...options, input: archive.stdout })
  return status === 0 ? '' : `against ${before}:\n${stdout.toString()}${stderr.toString()}`
}
