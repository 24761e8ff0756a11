// The commit that stands for the release before this one: what an upgrade comes from, and what the
// wire must still fit. The newest tag of a version; where there is none yet, the commit before the
// wire or the schema has last changed, which may not be committed yet.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const WIRE_AND_SCHEMA = ['proto', 'services/*/migrations/*']

/** Undefined: there is no git here, or not enough of its history. */
export function releaseBefore(): string | undefined {
  const tag = git('describe', '--tags', '--abbrev=0', '--match', 'v*', 'HEAD^')
  if (tag !== undefined) return commitOf(tag)
  if (git('status', '--porcelain', '--', ...WIRE_AND_SCHEMA) !== undefined) return commitOf('HEAD')
  const [before] = git('log', '-1', '--format=%P', '--', ...WIRE_AND_SCHEMA)?.split(' ') ?? []
  return before && commitOf(before)
}

/** The whole name of a commit; undefined: there is none of that name here. */
export function commitOf(name: string): string | undefined {
  return git('rev-parse', '--verify', '--quiet', `${name}^{commit}`)
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' })
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined
}
